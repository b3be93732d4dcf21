/**
 * A browser without a window, and a person in front of it who agrees to everything.
 *
 * @since 0.1.0
 */
import * as browser from "../internal/browser.js"

/**
 * Follows an authorization request until it is sent back to the client, and answers with the address that it is sent
 * back with.
 *
 * @since 0.1.0
 * @category constructors
 */
export const authorize = (request: URL): Promise<URL> =>
  browser.authorize(request, request.searchParams.get("redirect_uri") ?? "")
