import { assert, describe, it } from "@effect/vitest"
import * as Activation from "@lockstep/serve/Activation"
import * as KeeperAddress from "@lockstep/serve/KeeperAddress"
import * as ServiceUnits from "@lockstep/serve/ServiceUnits"
import * as Effect from "effect/Effect"
import koffi from "koffi"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Stage from "./support/stage.js"

/** A socket that takes datagrams, as the service manager's does. */
const datagrams = Effect.acquireRelease(
  Effect.sync(() => {
    const directory = mkdtempSync(join(tmpdir(), "notify-"))
    const path = join(directory, "notify")
    const libc = koffi.load(null)
    const fd = libc.func("socket", "int", ["int", "int", "int"])(1, 2, 0) as number
    const address = Buffer.alloc(110)
    Buffer.from(new Uint16Array([1]).buffer).copy(address)
    address.write(path, 2)
    assert.strictEqual(libc.func("bind", "int", ["int", "void *", "uint32_t"])(fd, address, 110), 0)
    const recv = libc.func("recv", "int64_t", ["int", "void *", "size_t", "int"])
    return {
      directory,
      path,
      receive: () => {
        const bytes = Buffer.alloc(4_096)
        return bytes.toString("utf8", 0, Number(recv(fd, bytes, bytes.length, 0)))
      },
      close: () => libc.func("close", "int", ["int"])(fd) as number
    }
  }),
  ({ close, directory }) =>
    Effect.sync(() => {
      close()
      rmSync(directory, { recursive: true })
    })
)

describe("a service manager", () => {
  it("hands over sockets to the process that it names, which no child takes for its own", () => {
    const env: NodeJS.ProcessEnv = { LISTEN_FDS: "2", LISTEN_PID: "7", LISTEN_FDNAMES: "lockstep.socket:shared" }
    assert.deepStrictEqual(Activation.take(env, 7), [{ fd: 3, name: "lockstep.socket" }, { fd: 4, name: "shared" }])
    assert.deepStrictEqual(env, {})
    assert.deepStrictEqual(Activation.take({ LISTEN_FDS: "2", LISTEN_PID: "7" }, 8), [])
    assert.deepStrictEqual(Activation.take({ LISTEN_FDS: "x", LISTEN_PID: "7" }, 7), [])
    assert.deepStrictEqual(Activation.take({}, 7), [])
  })

  it.scopedLive("is told when the keeper is ready and when it ends", () =>
    Effect.gen(function*() {
      const { path, receive } = yield* datagrams
      yield* Activation.notify({ NOTIFY_SOCKET: path }, "READY=1")
      assert.strictEqual(receive(), "READY=1")
      yield* Activation.notify({ NOTIFY_SOCKET: path }, "STOPPING=1")
      assert.strictEqual(receive(), "STOPPING=1")
      yield* Activation.notify({}, "READY=1")
      yield* Activation.notify({ NOTIFY_SOCKET: "/nowhere/notify" }, "READY=1")
    }))

  it("is given units in which every word stays one", () => {
    const options = {
      program: ["/usr/bin/node", "/opt/my tools/100%/lockstep.js"],
      globals: ["--home", "/home/a $b/\"q\""],
      socket: "/home/me/.lockstep/serve.sock"
    }
    const units = ServiceUnits.render("systemd", options)
    assert.include(units, "ListenStream=/home/me/.lockstep/serve.sock")
    assert.include(
      units,
      "ExecStart=/usr/bin/node \"/opt/my tools/100%%/lockstep.js\" serve --home \"/home/a $$b/\\\"q\\\"\""
    )
    assert.include(units, "Type=notify")
    const plist = ServiceUnits.render("launchd", { ...options, globals: ["--home", "/a&b<c>"] })
    assert.include(plist, "<string>/a&amp;b&lt;c&gt;</string>")
  })
})

describe("the address of a keeper", () => {
  it.scopedLive("is the socket of the home only where it is its user's: another's may be anyone's", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const found = { _tag: "Socket", path: join(stage.home, "serve.sock") } as const
      assert.deepStrictEqual(KeeperAddress.ofHome(stage.home), found)
      const { uid } = statSync(found.path)
      assert.deepStrictEqual(KeeperAddress.ofHome(stage.home, uid), found)
      assert.isUndefined(KeeperAddress.ofHome(stage.home, uid + 4_242))
    }))

  it("is a path or a port of this machine, and no abstract name", () => {
    assert.deepStrictEqual(KeeperAddress.parse("unix:/run/k.sock"), { _tag: "Socket", path: "/run/k.sock" })
    assert.deepStrictEqual(KeeperAddress.parse("unix:///run/k.sock"), { _tag: "Socket", path: "/run/k.sock" })
    for (const host of ["127.0.0.1", "localhost"]) {
      assert.deepStrictEqual(KeeperAddress.parse(`http://${host}:7`), { _tag: "Loopback", host, port: 7 })
    }
    const wrong = [
      "",
      "unix:",
      "unix:@name",
      "unix:\0name",
      "http://example.com:7",
      "http://127.0.0.1",
      "http://127.0.0.1:0",
      "http://127.0.0.1:65536",
      "http://127.0.0.1.evil.example:7",
      "https://127.0.0.1:7",
      "http://user@127.0.0.1:7"
    ]
    for (const text of wrong) assert.isUndefined(KeeperAddress.parse(text), text)
  })
})
