import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as RemoteFileSystem from "@lockstep/node/locks/RemoteFileSystem"
import * as LockDirectory from "@lockstep/testkit/homes/LockDirectory"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

const onLinux = (type: bigint) => Option.getOrElse(RemoteFileSystem.nameOf("/home", "linux", () => type), () => "local")
const onWindows = (path: string) => Option.isSome(RemoteFileSystem.nameOf(path, "win32"))

describe("RemoteFileSystem", () => {
  it("Linux: network and shared file systems are told by their type", () => {
    deepStrictEqual(
      [0x6969n, 0x517bn, 0xff534d42n, 0xfe534d42n, 0x65735546n, 0x01021997n].map(onLinux),
      ["NFS", "SMB", "CIFS", "SMB2", "FUSE", "9p"]
    )
  })

  it("Linux: ext4, xfs, btrfs, tmpfs, overlayfs and zfs are local", () => {
    for (const type of [0xef53n, 0x58465342n, 0x9123683en, 0x01021994n, 0x794c7630n, 0x2fc12fc1n]) {
      assert.strictEqual(onLinux(type), "local")
    }
  })

  it("Linux: a type whose sign was extended is the same type", () => {
    assert.strictEqual(onLinux(0xffffffffff534d42n), "CIFS")
    assert.strictEqual(onLinux(BigInt.asIntN(32, 0xfe534d42n)), "SMB2")
  })

  it("macOS: NFS is told, APFS is local", () => {
    deepStrictEqual(RemoteFileSystem.nameOf("/Volumes/x", "darwin", () => 2n), Option.some("NFS"))
    assert.isTrue(Option.isNone(RemoteFileSystem.nameOf("/Users/x", "darwin", () => 26n)))
  })

  it("Windows: a share is told by its path", () => {
    assert.isTrue(onWindows("\\\\server\\share\\home"))
    assert.isTrue(onWindows("\\\\?\\UNC\\server\\share\\home"))
    assert.isFalse(onWindows("C:\\Users\\x"))
    assert.isFalse(onWindows("\\\\?\\C:\\Users\\x"))
    assert.isFalse(onWindows("\\\\.\\C:\\Users\\x"))
  })

  it.scoped("this machine's own file systems pass", () =>
    Effect.gen(function*() {
      yield* RemoteFileSystem.refuse(yield* LockDirectory.make)
    }))

  it.effect("a remote one is refused by name, and one that cannot be asked by its errno", () =>
    Effect.gen(function*() {
      const refused = yield* Effect.flip(RemoteFileSystem.refuse("/home", () => 0x01021997n))
      assert.deepInclude(refused, { reason: "Remote", path: "/home", detail: "9p" })
      const absent = yield* Effect.flip(RemoteFileSystem.refuse("/nowhere/at/all"))
      assert.deepInclude(absent, { reason: "Permission", detail: "ENOENT" })
    }))
})
