/**
 * The second process of the doctor's lock check: tries the lock of one file once, and ends.
 *
 * @since 0.1.0
 */
import * as FileLock from "@lockstep/node/locks/FileLock"
import { LockFile } from "@lockstep/node/locks/LockFile"
import { LockPaths } from "@lockstep/node/locks/LockPaths"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as path from "node:path"
import * as Probe from "./doctor/Probe.js"

const file = process.argv[2] ?? ""

const attempt = FileLock.make({ trustRemote: true }).pipe(
  Effect.provideService(LockPaths, { directory: path.dirname(file), plan: () => [LockFile.Kernel({ path: file })] }),
  Effect.flatMap((lock) => lock.tryAcquire(LockTarget.Aggregate())),
  Effect.map((lease): Probe.Answer => Option.isSome(lease) ? "acquired" : "busy"),
  Effect.catchAll(() => Effect.succeed<Probe.Answer>("failed"))
)

void Effect.runPromise(attempt).then((answer) => process.exit(Probe.codeOf(answer)))
