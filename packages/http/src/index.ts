/**
 * What needs no peer but `effect`. `BearerClient` and `EventStream` need `@effect/platform`, and are imported by their names.
 *
 * @since 0.1.0
 */
export * as BearerChallenge from "./BearerChallenge.js"
export * as BearerError from "./BearerError.js"
export * as BearerFetch from "./BearerFetch.js"
export * as BearerOptions from "./BearerOptions.js"
export * as EventParser from "./EventParser.js"
