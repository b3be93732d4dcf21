import type { Lease } from "@lockstep/core/CredentialLock"
import * as TenantId from "@lockstep/core/TenantId"
import * as FileLock from "@lockstep/node/locks/FileLock"
import { LockPaths } from "@lockstep/node/locks/LockPaths"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import * as LineProtocol from "@lockstep/testkit/processes/LineProtocol"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Cp from "node:child_process"
import * as LockDirectory from "../homes/LockDirectory.js"

const directory = process.argv[2]!
const target = LockTarget.Tenant({ tenant: TenantId.make("codex") })

// Tells how a try ended, gives back, starts a child that outlives this process.
const program = Effect.gen(function*() {
  const lock = yield* FileLock.make()
  let lease = Option.none<Lease>()
  yield* Stream.runForEach(LineProtocol.messages, (message) =>
    Effect.gen(function*() {
      switch (message["do"]) {
        case "try":
          lease = yield* lock.tryAcquire(target)
          return LineProtocol.say(Option.isSome(lease) ? "acquired" : "busy")
        case "release":
          if (Option.isSome(lease)) yield* lease.value.release({ changed: false })
          return LineProtocol.say("released")
        case "spawn": {
          const child = Cp.spawn("sleep", ["600"], { detached: true })
          return LineProtocol.say("spawned", { pid: child.pid })
        }
      }
    }))
})

void Effect.runPromise(Effect.provideService(program, LockPaths, LockDirectory.paths(directory)))
