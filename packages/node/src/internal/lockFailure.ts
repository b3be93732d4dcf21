/**
 * What keeps a lock from working, as plain data: the start of the command takes locks before it loads any error class.
 */
import type { LockUnavailable } from "@lockstep/core/Errors"

export interface LockFailure {
  readonly reason: LockUnavailable["reason"]
  readonly path: string
  readonly detail: string
  readonly remedy?: string
}

/** The symbolic errno of what a system call threw. The message stays behind: it may quote what was read. */
export const codeOf = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : "UNKNOWN"

const reasonOf = (code: string): LockFailure["reason"] => {
  switch (code) {
    case "EROFS":
      return "ReadOnly"
    case "ENOLCK":
    case "ENOSYS":
    case "ENOTSUP":
    case "EOPNOTSUPP":
    case "EINVAL":
      return "Unsupported"
    case "ENOSPC":
    case "EDQUOT":
    case "EMFILE":
    case "ENFILE":
      return "Exhausted"
    default:
      return "Permission"
  }
}

/** What a failed system call means for a lock. */
export const lockFailure = (path: string, code: string): LockFailure => ({ reason: reasonOf(code), path, detail: code })
