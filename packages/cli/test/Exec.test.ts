import { assert, describe, it } from "@effect/vitest"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as Effect from "effect/Effect"
import * as Stage from "./support/Stage.js"

/** Says on stdout what a child can see, with the token by its fingerprint only. */
const look = "printf '{\"token\":\"%s\",\"rest\":\"%s\"}\\n' " +
  "\"$(printf %s \"$TOKEN\" | sha256sum | cut -c1-12)\" \"$*\""

describe("lockstep exec", () => {
  it.scopedLive("gives the child a token in its environment alone, and every argument behind --", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      const args = [
        "exec",
        "codex",
        "--env",
        "TOKEN",
        "--",
        "sh",
        "-c",
        look,
        "sh",
        "--help",
        "--version",
        "--json",
        "--"
      ]
      const ran = yield* stage.run(args)
      assert.strictEqual(ran.stderr, "")
      const seen = JSON.parse(ran.stdout) as { readonly token: string; readonly rest: string }
      assert.strictEqual(seen.rest, "--help --version --json --")
      assert.strictEqual(seen.token, FakeToken.fingerprint((yield* stage.stored())!["access_token"] as string))
      const named = yield* stage.run([
        "exec",
        "codex",
        "--",
        "sh",
        "-c",
        "test -n \"$LOCKSTEP_TOKEN\" -a -z \"$TOKEN\""
      ])
      assert.strictEqual(named.code, 0)
    }))

  it.scopedLive("ends as the child does", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      const code = (script: string) =>
        Effect.map(stage.run(["exec", "codex", "--", "sh", "-c", script]), (ran) => ran.code)
      assert.strictEqual(yield* code("exit 0"), 0)
      assert.strictEqual(yield* code("exit 7"), 7)
      assert.strictEqual(yield* code("kill -TERM $$"), 143)
      assert.strictEqual(yield* code("kill -KILL $$"), 137)
    }))

  it.scopedLive("forwards signals and leaves their meaning to the child", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      for (const signal of ["INT", "TERM", "HUP", "USR1", "QUIT"] as const) {
        const script = `trap 'exit 42' ${signal}; echo '{"ready":true}'; while :; do sleep 0.05; done`
        const child = yield* stage.start(["exec", "codex", "--", "sh", "-c", script])
        yield* child.message((message) => message["ready"] === true)
        yield* child.signal(`SIG${signal}`)
        assert.strictEqual((yield* stage.finish(child)).code, 42, signal)
      }
    }))

  it.scopedLive("holds no lock and hands down no descriptor while the child runs", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      const script = "for lock in \"$LOCKSTEP_HOME\"/*.lock; do flock -n \"$lock\" true || exit 9; done; " +
        "for fd in /proc/self/fd/*; do case $(readlink $fd) in \"$LOCKSTEP_HOME\"*) exit 8;; esac; done"
      assert.strictEqual((yield* stage.run(["exec", "codex", "--", "bash", "-c", script])).code, 0)
      assert.lengthOf(stage.server.redemptions, 1)
    }))

  it.scopedLive("warns when the token will not last", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make({ accessTokenTtl: 300 })
      yield* stage.seed({})
      const ran = yield* stage.run(["exec", "codex", "--", "true"])
      assert.strictEqual(ran.code, 0)
      assert.match(
        ran.stderr,
        /^lockstep: warning: the token of codex expires in (5m|4m \d+s), and a running command keeps it; behind --proxy it is renewed\n$/
      )
    }))

  it.scopedLive("starts nothing without a token, a command, or a name that a variable can have", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      Stage.assertTold(yield* stage.run(["exec", "codex", "--", "echo", "started"]), 3, /not logged in/)
      yield* stage.seed({ left: 3600 })
      Stage.assertTold(yield* stage.run(["exec", "codex"]), 2, /no command to run/)
      Stage.assertTold(yield* stage.run(["exec", "codex", "echo", "started"]), 2, /no command to run/)
      Stage.assertTold(yield* stage.run(["exec", "codex", "--env", "A=B", "--", "true"]), 2, /name of a variable/)
      Stage.assertTold(
        yield* stage.run(["exec", "codex", "--", "/nowhere/at/all"]),
        2,
        /could not be started \(ENOENT\)/
      )
    }))
})
