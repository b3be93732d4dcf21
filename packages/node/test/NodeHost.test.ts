import { assert, describe, it } from "@effect/vitest"
import * as Host from "@lockstep/core/Host"
import * as NodeHost from "@lockstep/node/NodeHost"
import * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as ProcFs from "../src/internal/procfs.js"
import * as LockDirectory from "./support/lockDirectory.js"

describe("NodeHost", () => {
  it.effect("ids are unique, and the hash is SHA-256", () =>
    Effect.gen(function*() {
      const host = yield* Host.Host
      const [one, two] = [yield* host.newId, yield* host.newId]
      assert.match(one, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
      assert.notStrictEqual(one, two)
      assert.strictEqual(
        host.sha256("abc"),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
      )
    }).pipe(Effect.provide(NodeHost.layer)))

  it.effect("this process is alive; another start or another boot of its pid is not", () =>
    Effect.gen(function*() {
      const self = NodeHost.self()
      assert.strictEqual(self.pid, process.pid)
      assert.isTrue(yield* NodeHost.isAlive(self))
      const other = (change: Partial<Host.ProcessIdentity>) =>
        NodeHost.isAlive(Host.ProcessIdentity.make({ ...self, ...change }))
      assert.isFalse(yield* other({ startTime: "1" }))
      if (process.platform === "linux") assert.isFalse(yield* other({ bootId: "another" }))
    }))

  it.scoped("a process that has ended is not alive", () =>
    Effect.gen(function*() {
      const child = yield* ChildProcess.spawn({ program: "sh", args: ["-c", "read line"], env: {} })
      const identity = Host.ProcessIdentity.make({
        ...NodeHost.self(),
        pid: child.pid,
        startTime: Option.match(ProcFs.stat(child.pid), { onNone: () => "0", onSome: ({ startTicks }) => startTicks })
      })
      assert.isTrue(yield* NodeHost.isAlive(identity))
      yield* child.signal("SIGKILL")
      yield* child.exit
      assert.isFalse(yield* NodeHost.isAlive(identity))
    }))

  it.scoped("a command is the name of the program or script, and never an argument", () =>
    Effect.gen(function*() {
      const commandOf = (program: string, ...args: ReadonlyArray<string>) =>
        Effect.map(
          ChildProcess.spawn({ program, args, env: {} }),
          (child) => Option.getOrElse(ProcFs.commandOf(child.pid), () => "")
        )
      const node = process.execPath
      assert.strictEqual(yield* commandOf(node, "-e", "setInterval(() => 'sk-secret', 1e6)"), "node")
      const script = Path.join(yield* LockDirectory.make, "agent.mjs")
      Fs.writeFileSync(script, "setInterval(() => {}, 1e6)")
      assert.strictEqual(yield* commandOf(node, script, "--token", "sk-secret"), "agent.mjs")
      assert.strictEqual(yield* commandOf("/bin/sleep", "600"), "sleep")
      assert.strictEqual(ProcFs.printableName("/opt/\u001b[31mred\u0007"), "?[31mred?")
    }))
})
