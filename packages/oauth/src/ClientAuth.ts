/**
 * How a client proves itself at an endpoint: by nothing, or by its secret in the body (RFC 6749 section 2.3.1). By HTTP
 * Basic is {@link ClientSecretBasic}, by a key {@link PrivateKeyJwt}.
 *
 * @since 0.1.0
 */

/**
 * Adds the proof to a request that is being built. Fits oauth4webapi's `ClientAuth`, which asks for the global `Headers`;
 * on the way to a refresh nothing touches that, since Node loads a whole HTTP client with it.
 *
 * @since 0.1.0
 * @category models
 */
export type ClientAuth = (
  server: unknown,
  client: { readonly client_id: string },
  body: URLSearchParams,
  headers: { readonly set: (name: string, value: string) => void }
) => void | Promise<void>

/**
 * Names the client and proves nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const none: ClientAuth = (_server, client, body) => {
  body.set("client_id", client.client_id)
}

/**
 * Names the client and shows its secret.
 *
 * @since 0.1.0
 * @category constructors
 */
export const secretPost = (secret: string): ClientAuth => (_server, client, body) => {
  body.set("client_id", client.client_id)
  body.set("client_secret", secret)
}
