/**
 * Undoes the coding of a body (RFC 9110 section 8.4). None is asked for, and servers that send one all the same would
 * make a whole answer an unreadable one.
 *
 * @since 0.1.0
 */
import type * as Zlib from "node:zlib"

/**
 * Undoes one coding, of a body that may be cut short. What cannot be decoded stays as it is.
 *
 * @since 0.1.0
 * @category models
 */
export type Decode = (body: Uint8Array, limit: number) => Uint8Array

/**
 * As it came.
 *
 * @since 0.1.0
 * @category codings
 */
export const identity: Decode = (body) => body

const decoderOf = (zlib: typeof Zlib, coding: string) => {
  switch (coding) {
    case "gzip":
    case "x-gzip":
      return zlib.gunzipSync
    case "deflate":
      return zlib.inflateSync
    case "br":
      return zlib.brotliDecompressSync
    default:
      return undefined
  }
}

/**
 * Finds what undoes a coding.
 *
 * @since 0.1.0
 * @category constructors
 */
export const load = async (coding: string | undefined): Promise<Decode> => {
  const name = (coding ?? "identity").trim().toLowerCase()
  if (name === "" || name === "identity") return identity
  const zlib = await import("node:zlib")
  const decode = decoderOf(zlib, name)
  const flush = name === "br" ? zlib.constants.BROTLI_OPERATION_FLUSH : zlib.constants.Z_SYNC_FLUSH
  return (body, limit) => {
    try {
      return decode === undefined ? body : decode(body, { finishFlush: flush, maxOutputLength: limit })
    } catch {
      return body
    }
  }
}
