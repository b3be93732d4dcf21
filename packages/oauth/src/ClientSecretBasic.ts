/**
 * How a client proves itself by HTTP Basic (RFC 6749 section 2.3.1).
 *
 * Id and secret are form-encoded first, which many servers never decode. So what need not be encoded is not: the hyphen of
 * an id, above all, which the builder of oauth4webapi writes as `%2D`. Servers that decode read the same either way.
 *
 * @since 0.1.0
 */
import type { ClientAuth } from "./ClientAuth.js"

/** As the form encoding of the URL standard writes it: letters, digits and `*-._` as they are. */
const encode = (text: string): string => new URLSearchParams({ "": text }).toString().slice(1)

/**
 * Makes the proof of a secret.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (secret: string): ClientAuth => (_server, client, _body, headers) => {
  // What is encoded is ASCII.
  headers.set("authorization", `Basic ${btoa(`${encode(client.client_id)}:${encode(secret)}`)}`)
}
