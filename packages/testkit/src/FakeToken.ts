/**
 * Tokens that open nothing and that no leak check can miss.
 *
 * @since 0.1.0
 */
import { createHash, randomBytes } from "node:crypto"

/**
 * What a fake secret pretends to be: access token, refresh token, id token, client secret.
 *
 * @since 0.1.0
 * @category models
 */
export type FakeKind = "at" | "rt" | "it" | "cs"

/**
 * Finds fake secrets in any text.
 *
 * @since 0.1.0
 * @category predicates
 */
export const PATTERN = /lockstep-(?:at|rt|it|cs)-[A-Za-z0-9_-]+/g

/**
 * Makes a new fake secret.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (kind: FakeKind): string => `lockstep-${kind}-${randomBytes(18).toString("base64url")}`

/**
 * The first 12 hex digits of a token's SHA-256: what logs of the product call it by.
 *
 * @since 0.1.0
 * @category getters
 */
export const fingerprint = (token: string): string => createHash("sha256").update(token).digest("hex").slice(0, 12)
