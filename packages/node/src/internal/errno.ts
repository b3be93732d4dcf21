import { LockUnavailable } from "@lockstep/core/Errors"
import { lockFailure } from "./lockFailure.js"

export { codeOf } from "./lockFailure.js"

/** What a failed system call means for a lock. */
export const lockUnavailable = (path: string, code: string): LockUnavailable =>
  new LockUnavailable(lockFailure(path, code))
