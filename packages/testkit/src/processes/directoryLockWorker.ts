import type { Lease } from "@lockstep/core/CredentialLock"
import * as TenantId from "@lockstep/core/TenantId"
import * as FileLock from "@lockstep/node/locks/FileLock"
import { LockPaths } from "@lockstep/node/locks/LockPaths"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import * as LineProtocol from "@lockstep/testkit/processes/LineProtocol"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as DirectoryLocks from "./DirectoryLocks.js"

const [directory, names] = [process.argv[2]!, JSON.parse(process.argv[3]!) as ReadonlyArray<string>]
const target = LockTarget.Tenant({ tenant: TenantId.make("codex") })

// Tells how a try ended, gives back, tells what was taken away, exits without giving back.
const program = Effect.gen(function*() {
  const lock = yield* FileLock.make()
  let lease = Option.none<Lease>()
  LineProtocol.say("ready")
  yield* Stream.runForEach(LineProtocol.messages, (message) =>
    Effect.gen(function*() {
      switch (message["do"]) {
        case "try":
          lease = yield* lock.tryAcquire(target)
          return LineProtocol.say(Option.isSome(lease) ? "acquired" : "busy")
        case "release":
          if (Option.isSome(lease)) yield* lease.value.release({ changed: false })
          return LineProtocol.say("released")
        case "lost":
          return LineProtocol.say("lost", { lock: Option.getOrNull(yield* Option.getOrThrow(lease).lost) })
        case "exit":
          return process.exit(0)
      }
    }))
  LineProtocol.say("idle")
})

void Effect.runPromise(Effect.provideService(program, LockPaths, DirectoryLocks.paths(directory, names)))
