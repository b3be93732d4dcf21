/**
 * @since 0.1.0
 */
export * as BearerChallenge from "./BearerChallenge.js"
export * as BearerClient from "./BearerClient.js"
export * as BearerError from "./BearerError.js"
export * as BearerFetch from "./BearerFetch.js"
export * as BearerOptions from "./BearerOptions.js"
export * as EventParser from "./EventParser.js"
export * as EventStream from "./EventStream.js"
