/** Scopes of a step-up: what the server asks for, and what the login has already. */

/** Every scope of both, once, in their order. */
export const union = (asked: string, granted: string): string =>
  [...new Set(`${asked} ${granted}`.split(" ").filter((word) => word !== ""))].join(" ")

const isRegistration = (value: unknown): value is { readonly scope: string } =>
  typeof value === "object" && value !== null && "scope" in value && typeof value.scope === "string" &&
  "redirect_uris" in value && Array.isArray(value.redirect_uris)

/**
 * The request of a client that registers (RFC 7591), allowed what it will ask for: SDK 1 registers with the scopes of the
 * challenge alone, and the server would refuse it the others. Any other request stays as it is.
 */
export const registering = (init: RequestInit, granted: string): RequestInit => {
  if ((init.method ?? "GET").toUpperCase() !== "POST" || typeof init.body !== "string" || granted === "") return init
  try {
    const body: unknown = JSON.parse(init.body)
    return isRegistration(body)
      ? { ...init, body: JSON.stringify({ ...body, scope: union(body.scope, granted) }) }
      : init
  } catch {
    return init
  }
}
