/**
 * What the start of the command loads where it has to wait for the lock of a tenant, and not before: most starts find a fresh
 * token or ask a keeper.
 *
 * @since 0.1.0
 */
export * as EarlyLock from "@lockstep/node/locks/EarlyLock"
export * as FastWait from "./FastWait.js"
