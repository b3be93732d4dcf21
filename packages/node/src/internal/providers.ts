/**
 * The ways to reach the system call, best first.
 */
import * as ExclusiveOpen from "./exclusiveOpen.js"
import * as FfiFlock from "./ffiFlock.js"
import * as FlockCommand from "./flockCommand.js"
import type { Provider } from "./kernelLock.js"
import * as KoffiFlock from "./koffiFlock.js"

export const providers: ReadonlyArray<Provider> = [
  KoffiFlock.provider,
  FfiFlock.provider,
  FlockCommand.provider,
  ExclusiveOpen.provider
]
