/**
 * Lockstep for programs that await: `open()` answers with the logins that the command and all other programs of this
 * machine share.
 *
 * ```ts
 * import { open } from "lockstep"
 *
 * const lockstep = await open()
 * const { authorization } = await lockstep.accessToken("codex", { minTtl: "5 minutes" })
 * await lockstep.close()
 * ```
 *
 * @since 0.1.0
 */
export type * from "./promise/Lockstep.js"
export { LockstepError } from "./promise/LockstepError.js"
export type { LockstepErrorOf, Parts, Reasons, Tag } from "./promise/LockstepError.js"
export { open } from "./promise/open.js"
