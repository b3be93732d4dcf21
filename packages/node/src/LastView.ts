/**
 * What follows from a file for each tenant, made once as long as the file is the same: of the view that was asked about
 * last everything is kept, of those before nothing.
 *
 * @since 0.1.0
 */
import type { TenantId } from "@lockstep/core/TenantId"

/**
 * Remembers what `of` makes of the last view. Views are compared by identity.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <View, A extends {}>(
  of: (view: View, tenant: TenantId) => A
): (view: View, tenant: TenantId) => A => {
  let last: { readonly view: View; readonly made: Map<TenantId, A> } | undefined
  return (view, tenant) => {
    if (last?.view !== view) last = { view, made: new Map() }
    const known = last.made.get(tenant)
    if (known !== undefined) return known
    const made = of(view, tenant)
    last.made.set(tenant, made)
    return made
  }
}
