/**
 * Certificate authorities beside those that Node brings. `NODE_EXTRA_CA_CERTS` is Node's own doing; `SSL_CERT_FILE`, which
 * curl, git and most other tools of a machine go by, is not.
 *
 * @since 0.1.0
 */
import * as fs from "node:fs"
import type * as Tls from "node:tls"

type Environment = Readonly<Record<string, string | undefined>>

/** A file that cannot be read adds nothing; what it would have vouched for is refused by name, and `doctor` tells why. */
const readText = (path: string | undefined): ReadonlyArray<string> => {
  if (path === undefined || path === "") return []
  try {
    return [fs.readFileSync(path, "utf8")]
  } catch {
    return []
  }
}

const isOpensslsOwn = ({ NODE_OPTIONS = "" }: Environment): boolean =>
  [...process.execArgv, ...NODE_OPTIONS.split(/\s+/)].includes("--use-openssl-ca")

/**
 * Reads whom to trust where Node's own choice is not enough; `undefined` where it is. The option `ca` takes the place of
 * that choice, so what it holds is said again.
 *
 * @since 0.1.0
 * @category getters
 */
export const read = (env: Environment, tls: Pick<typeof Tls, "rootCertificates">): Array<string> | undefined => {
  const added = isOpensslsOwn(env) ? [] : readText(env["SSL_CERT_FILE"])
  if (added.length === 0) return undefined
  // Node 22.15 and later tell; before, it is the list that Node was built with and what the variable adds to it.
  const getCACertificates: unknown = Reflect.get(tls, "getCACertificates")
  const own = typeof getCACertificates === "function"
    ? getCACertificates("default") as ReadonlyArray<string>
    : [...tls.rootCertificates, ...readText(env["NODE_EXTRA_CA_CERTS"])]
  return [...own, ...added]
}
