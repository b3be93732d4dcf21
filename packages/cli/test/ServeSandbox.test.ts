/**
 * A container as the kernel makes one: namespaces of its own for mounts and processes, another user, nothing of the home, and
 * the agents' socket in it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as KeeperStage from "./support/KeeperStage.js"
import * as Stage from "./support/Stage.js"

const NOBODY = 65534

const can = ((): boolean => {
  if (process.platform !== "linux" || process.geteuid?.() !== 0) return false
  try {
    execFileSync("unshare", [
      "--mount",
      "--pid",
      "--fork",
      "--mount-proc",
      "setpriv",
      "--reuid",
      String(NOBODY),
      "--clear-groups",
      "true"
    ], {
      stdio: "ignore"
    })
    return true
  } catch {
    return false
  }
})()

/** Hides the home and everything beside it but one folder, then becomes another user. */
const ENTER = `
set -e
mount --bind "$BOX" /mnt
mount -t tmpfs none "$HIDDEN"
exec setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups --no-new-privs env -i PATH="$PATH" HOME=/tmp "$@"
`

describe.skipIf(!can)("a sandbox with nothing but the agents' socket (root and namespaces are needed)", () => {
  const sandbox = Effect.gen(function*() {
    const stage = yield* Stage.make()
    yield* stage.seed({ tenant: "mcp:a" }, { tenant: "codex" })
    const user = stage.harness.environment["HOME"]!
    // Outside of the directory that is hidden; the box is what is mounted.
    const box = join(dirname(stage.harness.home), "..", `box-${process.pid}`)
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        mkdirSync(box, { mode: 0o755 })
        chmodSync(box, 0o755)
      }),
      () => Effect.sync(() => execFileSync("rm", ["-rf", box]))
    )
    const keeper = yield* KeeperStage.serve(stage, ["--agent-socket", join(box, "agents.sock")])
    const file = join(user, "key")
    yield* stage.run(["agent", "add", "box", "--tenant", "mcp:*", "--out", file])
    // A header field in a file: an argument of curl would show the key to every user.
    writeFileSync(join(box, "header"), `Authorization: Bearer ${readFileSync(file, "utf8")}`, { mode: 0o400 })
    chownSync(join(box, "header"), NOBODY, NOBODY)
    const inside = (program: string, ...args: ReadonlyArray<string>) =>
      Effect.gen(function*() {
        const child = yield* stage.harness.spawn({
          program: "unshare",
          args: ["--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", ENTER, "sh", program, ...args],
          env: { BOX: box, HIDDEN: dirname(stage.harness.home), USER_ID: String(NOBODY) }
        })
        yield* child.closeStdin
        const { code } = yield* child.exit
        return { code, stdout: yield* child.stdout, stderr: yield* child.stderr }
      })
    return { stage, keeper, inside, box }
  })

  it.scopedLive("gets its tokens by its key, and no other; reads neither home nor process of the keeper", () =>
    Effect.gen(function*() {
      const { inside, keeper, stage } = yield* sandbox
      const asking = ["-s", "--unix-socket", "/mnt/agents.sock", "-H", "Lockstep-Client: box"]
      const curl = (path: string) => inside("curl", ...asking, "-H", "@/mnt/header", `http://x${path}`)
      const own = yield* curl("/v1/tenants/mcp%3Aa/token")
      assert.strictEqual(own.code, 0, own.stderr)
      const answer = JSON.parse(own.stdout) as { readonly access_token: string }
      assert.strictEqual(answer.access_token, (yield* stage.stored("mcp:a"))!["access_token"])
      assert.strictEqual((own.stdout.match(FakeToken.PATTERN) ?? []).length, 1, "one access token and no refresh token")
      const foreign = yield* curl("/v1/tenants/codex/token")
      assert.include(foreign.stdout, "does not open it")
      assert.include(yield* Effect.map(curl("/v1/tenants"), ({ stdout }) => stdout), "mcp:a")
      assert.notInclude(yield* Effect.map(curl("/v1/tenants"), ({ stdout }) => stdout), "codex")
      const bare = yield* inside("curl", ...asking, "http://x/v1/tenants")
      assert.include(bare.stdout, "KeyMissing")
      for (
        const path of [
          stage.file,
          keeper.where.socket,
          KeeperStage.auditPath(stage),
          `/proc/${keeper.child.pid}/environ`
        ]
      ) {
        const read = yield* inside("cat", path)
        assert.notStrictEqual(read.code, 0, path)
      }
      const line = KeeperStage.audit(stage).find(({ who }) => who === "agent:box")
      assert.deepInclude(line, { uid: NOBODY, tenant: "mcp:a", status: 200 })
    }))

  it.scopedLive("cannot use the user's own socket, wherever it is", () =>
    Effect.gen(function*() {
      const { box, inside, stage } = yield* sandbox
      yield* stage.run(["agent", "list"])
      const other = yield* Stage.make()
      yield* other.seed({ left: 3600 })
      chmodSync(box, 0o700)
      const own = yield* KeeperStage.serve(other, ["--socket", join(box, "own.sock")])
      chmodSync(box, 0o755)
      assert.strictEqual((yield* own.ask("/v1/tenants/codex/token")).status, 200)
      const refused = yield* inside(
        "curl",
        "-sS",
        "--unix-socket",
        "/mnt/own.sock",
        "-H",
        "Lockstep-Client: box",
        "http://x/v1/tenants"
      )
      assert.notStrictEqual(refused.code, 0, "another user cannot connect")
      // A mistake that opens its mode gives nothing away: the kernel says who asks.
      chmodSync(join(box, "own.sock"), 0o666)
      const told = yield* inside(
        "curl",
        "-sS",
        "--unix-socket",
        "/mnt/own.sock",
        "-H",
        "Lockstep-Client: box",
        "http://x/v1/tenants"
      )
      assert.include(told.stdout, "KeyMissing")
    }))
})
