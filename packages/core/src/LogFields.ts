/**
 * @since 0.1.0
 */
import type { RefreshError } from "./Errors.js"
import type { TenantId } from "./TenantId.js"

/**
 * The fields of a log entry that tells of an error: what a query asks for, beside the sentence for a person.
 *
 * @since 0.1.0
 * @category getters
 */
export const ofError = (tenant: TenantId, error: RefreshError): Record<string, string> => ({
  tenant,
  error: error._tag,
  ...("reason" in error ? { reason: error.reason } : {}),
  advice: error.advice
})
