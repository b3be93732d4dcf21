/**
 * `auth()` of the MCP TypeScript SDK, over a provider that keeps its tokens in a file, as its interface asks. What it
 * knows of the server is given to it, so that it need not discover anything.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Contender } from "../Contender.js"
import * as CredentialFile from "../CredentialFile.js"
import * as Peer from "../Peer.js"

interface Tokens {
  readonly access_token: string
  readonly refresh_token?: string
  readonly token_type: string
}

interface Auth {
  readonly auth: (provider: object, options: { readonly serverUrl: string }) => Promise<"AUTHORIZED" | "REDIRECT">
}

const TOKENS = "tokens.json"

const makeProvider = (home: string, entry: ReturnType<typeof CredentialFile.read>) => {
  const path = join(home, TOKENS)
  const issuer = new URL(entry.token_endpoint).origin
  const client = { client_id: entry.client_id, issuer }
  return {
    issuer,
    redirectUrl: "http://127.0.0.1/callback",
    clientMetadata: { redirect_uris: ["http://127.0.0.1/callback"], token_endpoint_auth_method: "none" },
    clientInformation: () => client,
    tokens: (): Tokens | undefined => {
      try {
        return JSON.parse(readFileSync(path, "utf8")) as Tokens
      } catch {
        return undefined
      }
    },
    saveTokens: (tokens: Tokens) => {
      const temporary = `${path}.${process.pid}`
      writeFileSync(temporary, JSON.stringify(tokens), { mode: 0o600 })
      renameSync(temporary, path)
    },
    // Called when the server answers invalid_grant, to delete what is no longer valid.
    invalidateCredentials: (scope: string) => {
      if (scope === "all" || scope === "tokens") rmSync(path, { force: true })
    },
    redirectToAuthorization: () => {},
    saveCodeVerifier: () => {},
    codeVerifier: () => "",
    discoveryState: () => ({
      authorizationServerUrl: issuer,
      authorizationServerMetadata: {
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: entry.token_endpoint,
        response_types_supported: ["code"],
        code_challenge_methods_supported: ["S256"]
      },
      resourceMetadata: { resource: issuer, authorization_servers: [issuer] }
    })
  }
}

/**
 * What a client does when its server answers 401.
 *
 * @since 0.1.0
 * @category constructors
 */
export const contender: Contender = {
  name: "mcp-sdk",
  label: `${Peer.version("@modelcontextprotocol/sdk")} auth()`,
  file: TOKENS,
  seed: (home, login) =>
    Effect.zipRight(
      CredentialFile.seed(home, login),
      Effect.sync(() =>
        writeFileSync(
          join(home, TOKENS),
          JSON.stringify({
            access_token: login.access_token,
            refresh_token: login.refresh_token,
            token_type: "Bearer",
            issuer: new URL(login.token_endpoint).origin
          }),
          { mode: 0o600 }
        )
      )
    ),
  open: (home) =>
    Effect.map(Peer.load<Auth>("@modelcontextprotocol/sdk/dist/esm/client/auth.js"), ({ auth }) => {
      const provider = makeProvider(home, CredentialFile.read(home))
      return {
        obtain: Effect.tryPromise(async () => {
          const result = await auth(provider, { serverUrl: provider.issuer })
          const tokens = provider.tokens()
          if (result !== "AUTHORIZED" || tokens === undefined) throw new Error("it asks for a new login")
          return tokens.access_token
        })
      }
    })
}
