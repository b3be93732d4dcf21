/**
 * The login of the Kiro IDE: `~/.aws/sso/cache/kiro-auth-token.json`, and beside it the client that it registered, as
 * read in kiro-gateway `kiro/auth.py`. When the client's registration ends is read where a member says so; what it is
 * called is unverified. The IDE was not seen to take a lock.
 * The command line tool of Kiro keeps its login in a database, which is not read.
 *
 * A login without a registered client is one of the vendor's own service, which is refreshed in a way that is not spoken
 * here: only its access token can be taken over.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Path from "node:path"
import * as LooseJson from "./LooseJson.js"
import { fromDate, fromSeconds, login, type ToolEntry } from "./ToolEntry.js"
import type { Source, ToolImport } from "./ToolImport.js"
import { locateIn } from "./ToolImport.js"

const directory = locateIn({ otherwise: [".aws", "sso", "cache"] })

/** A hash, and no way to another directory. */
const HASH = /^[0-9a-f]{1,128}$/i

const REGION = /^[a-z0-9-]{1,32}$/

const clientFile = (path: string, root: LooseJson.Members): Option.Option<string> =>
  LooseJson.text(root, "clientIdHash").pipe(
    Option.filter((hash) => HASH.test(hash)),
    Option.map((hash) => Path.join(Path.dirname(path), `${hash}.json`))
  )

const client = ({ companions, path }: Source, root: LooseJson.Members): Option.Option<LooseJson.Members> =>
  clientFile(path, root).pipe(
    Option.flatMap((file) => Option.fromNullable(companions.get(file))),
    Option.flatMap((text) => Either.getRight(LooseJson.parse(text)))
  )

const end = (registered: LooseJson.Members): Option.Option<number> =>
  Option.orElse(
    Option.flatMap(LooseJson.text(registered, "expiresAt"), fromDate),
    () => Option.flatMap(LooseJson.number(registered, "clientSecretExpiresAt"), fromSeconds)
  )

const entry = (source: Source, root: LooseJson.Members): ToolEntry => {
  const registered = client(source, root)
  const region = Option.filter(LooseJson.text(root, "region"), (name) => REGION.test(name))
  return login("kiro-auth-token", Option.some("kiro"), {
    vendor: Option.some("kiro"),
    issuer: Option.map(region, (name) => `https://oidc.${name}.amazonaws.com`),
    clientId: Option.flatMap(registered, (found) => LooseJson.text(found, "clientId")),
    clientSecret: Option.flatMap(registered, (found) => LooseJson.text(found, "clientSecret")),
    clientSecretExpiresAt: Option.flatMap(registered, end),
    accessToken: LooseJson.text(root, "accessToken"),
    refreshToken: Option.isSome(registered) ? LooseJson.text(root, "refreshToken") : Option.none(),
    expiresAt: Option.flatMap(LooseJson.text(root, "expiresAt"), fromDate)
  })
}

/**
 * Kiro.
 *
 * @since 0.1.0
 * @category tools
 */
export const kiro: ToolImport = {
  name: "kiro",
  title: "Kiro",
  store: Option.none(),
  formats: [{
    locate: (machine) => [directory(machine, "kiro-auth-token.json")],
    companions: ({ path, text }) =>
      Either.match(LooseJson.parse(text), {
        onLeft: () => [],
        onRight: (root) => Option.toArray(clientFile(path, root))
      }),
    read: (source) => Either.map(LooseJson.parse(source.text), (root) => [entry(source, root)])
  }]
}
