/**
 * What a person is told after Ctrl-C while the command still holds a tenant.
 *
 * @since 0.1.0
 */
import type * as UnderWay from "@lockstep/core/UnderWay"

const name = ({ act, tenant }: UnderWay.Act): string => `the ${act} of ${tenant}`

/**
 * Renders what is waited for, and why; nothing where nothing is.
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (acts: ReadonlyArray<UnderWay.Act>): string => {
  if (acts.length === 0) return ""
  const brings = acts.some(({ act, isSpent }) => isSpent && act !== "logout")
  return `finishing ${acts.map(name).join(", ")}${brings ? ": its new token is stored first" : ""}`
}
