/**
 * A token refresher as most tools have it, and the reason why this project exists: read the file; when the token has
 * expired, send the refresh token; write the file. Correct for one process. Run as
 * `node NaiveClient.js AUTH_JSON TENANT`, it prints the access token, and says `refreshed` on stderr when it did.
 *
 * @since 0.1.0
 */
import { readFileSync, writeFileSync } from "node:fs"

interface Entry {
  token_endpoint: string
  client_id: string
  access_token: string
  refresh_token: string
  expires_at: number
}

const [path, tenant] = process.argv.slice(2) as [string, string]
const file = JSON.parse(readFileSync(path, "utf8")) as { readonly tenants: Record<string, Entry> }
const entry = file.tenants[tenant]!

const refresh = async (): Promise<void> => {
  const response = await fetch(entry.token_endpoint, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "refresh_token",
      client_id: entry.client_id,
      refresh_token: entry.refresh_token
    })
  })
  const answer = await response.json() as Partial<Entry> & { readonly error?: string; readonly expires_in?: number }
  if (!response.ok) throw new Error(String(answer.error))
  Object.assign(entry, {
    access_token: answer.access_token,
    refresh_token: answer.refresh_token,
    expires_at: Math.floor(Date.now() / 1000) + (answer.expires_in ?? 0)
  })
  writeFileSync(path, JSON.stringify(file))
  console.error("refreshed")
}

try {
  if (entry.expires_at * 1000 <= Date.now()) await refresh()
  console.log(entry.access_token)
} catch (error) {
  console.error(`${tenant}: ${error instanceof Error ? error.message : "failed"}`)
  process.exitCode = 1
}
