import { LockUnavailable } from "@lockstep/core/Errors"

/** The symbolic errno of what a system call threw. The message stays behind: it may quote what was read. */
export const codeOf = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : "UNKNOWN"

/** What a failed system call means for a lock. */
export const lockUnavailable = (path: string, code: string): LockUnavailable => {
  switch (code) {
    case "EROFS":
      return new LockUnavailable({ reason: "ReadOnly", path, detail: code })
    case "ENOLCK":
    case "ENOSYS":
    case "ENOTSUP":
    case "EOPNOTSUPP":
    case "EINVAL":
      return new LockUnavailable({ reason: "Unsupported", path, detail: code })
    case "ENOSPC":
    case "EDQUOT":
    case "EMFILE":
    case "ENFILE":
      return new LockUnavailable({ reason: "Exhausted", path, detail: code })
    default:
      return new LockUnavailable({ reason: "Permission", path, detail: code })
  }
}
