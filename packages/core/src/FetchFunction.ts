/**
 * The small part of the Fetch standard that is asked for, so that the global `fetch`, undici's, and one with proxies or
 * extra certificates all fit.
 *
 * @since 0.1.0
 */

/**
 * One request. Redirects are never followed: what it holds belongs to one address only.
 *
 * @since 0.1.0
 * @category models
 */
export interface FetchInit {
  readonly method: string
  readonly headers: Record<string, string>
  /**
   * A stream, so that it can be read once only: the Fetch standard sends a request again, unasked, after a 421. The
   * headers tell its length.
   */
  readonly body?: ReadableStream<Uint8Array>
  readonly duplex: "half"
  readonly redirect: "manual"
  readonly signal: AbortSignal
}

/**
 * The part of a response that is read.
 *
 * @since 0.1.0
 * @category models
 */
export interface FetchResponse {
  readonly status: number
  readonly headers: { readonly get: (name: string) => string | null }
  readonly body: {
    readonly getReader: () => {
      readonly read: () => Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>
    }
  } | null
}

/**
 * Sends one request, on a connection that no other request uses.
 *
 * @since 0.1.0
 * @category models
 */
export type FetchFunction = (url: string, init: FetchInit) => Promise<FetchResponse>
