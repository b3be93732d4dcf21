/**
 * Who asks a keeper, and for what it may ask.
 *
 * @since 0.1.0
 */
import type * as AgentKey from "@lockstep/node/AgentKey"
import * as AgentKeys from "@lockstep/node/AgentKey"
import * as Data from "effect/Data"

/**
 * Who asks. `User`: the user whose home it is, over a socket that no other user reaches. `Agent`: who showed a key, from
 * wherever.
 *
 * @since 0.1.0
 * @category models
 */
export type Caller = Data.TaggedEnum<{
  User: { readonly uid: number | undefined; readonly pid: number | undefined }
  Agent: { readonly key: AgentKey.AgentKey; readonly uid: number | undefined; readonly pid: number | undefined }
}>

/**
 * Constructors of {@link Caller}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Caller = Data.taggedEnum<Caller>()

/**
 * Whether a caller may know of a tenant. What it may not is not there for it.
 *
 * @since 0.1.0
 * @category predicates
 */
export const mayUse = (caller: Caller, tenant: string): boolean =>
  caller._tag === "User" || AgentKeys.opens(caller.key, tenant)

/**
 * Whether a caller may begin a login of a tenant that it may use.
 *
 * @since 0.1.0
 * @category predicates
 */
export const mayLogIn = (caller: Caller): boolean => caller._tag === "User" || caller.key.login

/**
 * What the audit says of a caller.
 *
 * @since 0.1.0
 * @category rendering
 */
export const toAudit = (caller: Caller): Readonly<Record<string, string | number>> => ({
  who: caller._tag === "User" ? "user" : `agent:${caller.key.name}`,
  ...(caller._tag === "Agent" ? { key: caller.key.id } : {}),
  ...(caller.uid === undefined ? {} : { uid: caller.uid }),
  ...(caller.pid === undefined ? {} : { pid: caller.pid })
})
