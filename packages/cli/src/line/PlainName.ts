/**
 * Names of tenants that are understood without the parser.
 *
 * @since 0.1.0
 */
import type { TenantId } from "@lockstep/core/TenantId"

/** The same before and after it is normalised, and needs no quotes. */
const PLAIN = /^[A-Za-z0-9][\w.:@/-]{0,99}$/

/**
 * Whether a word is such a name.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isOne = (word: string): boolean => PLAIN.test(word)

/**
 * Brands a word that is such a name.
 *
 * @since 0.1.0
 * @category constructors
 */
export const tenantId = (name: string): TenantId => name as TenantId
