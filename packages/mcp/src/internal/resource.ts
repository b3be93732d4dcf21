/** What tokens are asked for (RFC 8707), as the SDK sends it. */
import * as CanonicalResource from "../CanonicalResource.js"

/**
 * An address that says of itself what it is told. The SDK sends `href`, and that of an address without a path has a slash
 * at its end, which a server that compares letter by letter does not know.
 */
class Spelled extends URL {
  readonly #spelling: string
  constructor(spelling: string) {
    super(spelling)
    this.#spelling = spelling
  }
  override get href(): string {
    return this.#spelling
  }
  override toString(): string {
    return this.#spelling
  }
}

/**
 * As the server's metadata spells it, or the canonical address where there is no metadata: a request for tokens names the
 * resource in any case. `undefined` where the metadata is that of another server.
 */
export const select = (serverUrl: URL, named: string | undefined): URL | undefined => {
  if (named === undefined) return new Spelled(CanonicalResource.of(serverUrl))
  return CanonicalResource.covers(named, serverUrl) ? new Spelled(named) : undefined
}
