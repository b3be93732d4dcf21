/**
 * Runs every example of docs/credential-helpers.md, in the order of the page and on one home.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { parse as parseYaml } from "yaml"
import * as Stage from "./support/Stage.js"

const PAGE = readFileSync(new URL("../../../docs/credential-helpers.md", import.meta.url), "utf8")
const MCP_PAGE = readFileSync(new URL("../../../docs/mcp.md", import.meta.url), "utf8")

interface Example {
  readonly language: string
  readonly code: string
}

const EXAMPLES: ReadonlyArray<Example> = [...PAGE.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(
  ([, language, code]) => ({ language: language!, code: code! })
)

const only = (language: string, member: string): string => {
  const found = EXAMPLES.filter((one) => one.language === language && one.code.includes(member))
  assert.lengthOf(found, 1, member)
  return found[0]!.code
}

/** A home with the logins that the page names, and a directory in the search path that has the command. */
const make = Effect.gen(function*() {
  const stage = yield* Stage.make()
  yield* stage.seed(
    ...["codex", "gateway", "gitlab", "cluster", "mcp:linear"].map((tenant) => ({ tenant, left: 3600 }))
  )
  const bin = join(stage.harness.environment["TMPDIR"]!, "bin")
  mkdirSync(bin)
  writeFileSync(join(bin, "lockstep"), `#!/bin/sh\nexec "${process.execPath}" "${stage.bin}" "$@"\n`)
  chmodSync(join(bin, "lockstep"), 0o755)
  const env = { PATH: `${bin}:${process.env["PATH"] ?? ""}`, GIT_TERMINAL_PROMPT: "0" }
  const run = (code: string) =>
    Effect.map(stage.shell(`set -euo pipefail\n${code}`, { env, prints: true }), (ran) => {
      assert.strictEqual(ran.code, 0, `${code}\n${ran.stderr}`)
      return ran.stdout
    })
  const token = (tenant: string) => Effect.map(stage.stored(tenant), (record) => record!["access_token"] as string)
  return { stage, run, token }
})

const words = (command: string, args: ReadonlyArray<string>) => [command, ...args].map((word) => `'${word}'`).join(" ")

describe("docs/credential-helpers.md", () => {
  it("has no example that nothing here runs", () => {
    assert.deepStrictEqual(
      EXAMPLES.map(({ language }) => language).filter((language) => language !== "sh"),
      // Those of bash are run with the real curl, among the programs.
      ["bash", "bash", "json", "json", "toml", "toml", "yaml", "yaml", "json"]
    )
    assert.isAbove(EXAMPLES.length, 11)
  })

  it("says in every recipe that starts `lockstep mcp` where its home is named", () => {
    const recipes = [PAGE, MCP_PAGE].flatMap((page) => [...page.matchAll(/^```\w+\n([\s\S]*?)^```$/gm)])
      .flatMap(([, code]) => code!.includes("\"command\": \"lockstep\"") ? [code!] : [])
    assert.lengthOf(recipes, 3)
    for (const recipe of recipes) assert.include(recipe, "\"env\": { \"LOCKSTEP_HOME\"")
  })

  it.scopedLive("has examples for a shell that do what they say", () =>
    Effect.gen(function*() {
      const { run, stage } = yield* make
      for (const { code, language } of EXAMPLES) if (language === "sh") yield* run(code)
      // One for the token that was rejected, and no other.
      assert.lengthOf(stage.server.redemptions, 1)
    }))

  it.scopedLive("names the proxy for those who tell no helper of a refused token", () => {
    for (const language of ["json", "toml", "yaml"]) only(language, "http://127.0.0.1:43117/SECRET")
    return Effect.void
  })

  it.scopedLive("has settings of Claude Code, codex and kubectl whose commands print the token", () =>
    Effect.gen(function*() {
      const { run, token } = yield* make
      const gateway = yield* token("gateway")
      const { apiKeyHelper } = JSON.parse(only("json", "apiKeyHelper")) as { readonly apiKeyHelper: string }
      assert.strictEqual(yield* run(apiKeyHelper), `${gateway}\n`)

      const toml = only("toml", ".auth]")
      const command = JSON.parse(/^command = (".*")$/m.exec(toml)![1]!) as string
      const args = JSON.parse(/^args = (\[.*\])$/m.exec(toml)![1]!) as ReadonlyArray<string>
      assert.strictEqual(yield* run(words(command, args)), `${gateway}\n`)

      const { users } = parseYaml(only("yaml", "exec:")) as {
        readonly users: ReadonlyArray<{
          readonly user: { readonly exec: { apiVersion: string; command: string; args: ReadonlyArray<string> } }
        }>
      }
      const { exec } = users[0]!.user
      const { apiVersion, status } = JSON.parse(yield* run(words(exec.command, exec.args)))
      assert.strictEqual(apiVersion, exec.apiVersion)
      assert.strictEqual(status.token, yield* token("cluster"))
    }))

  it.scopedLive("has a setting of git with which git reads, also after an expiry and after a token was refused", () =>
    Effect.gen(function*() {
      const { run, stage, token } = yield* make
      const seen: Array<string> = []
      const refused = new Set<string>()
      const origin = yield* Effect.acquireRelease(
        Effect.async<{ readonly url: string; readonly close: () => void }>((done) => {
          const server = createServer((request, response) => {
            const { authorization } = request.headers
            const password = Buffer.from(authorization?.slice("Basic ".length) ?? "", "base64").toString().split(":")[1]
            if (authorization === undefined || refused.has(password ?? "")) {
              response.writeHead(401, { "www-authenticate": "Basic realm=\"git\"" }).end()
              return
            }
            seen.push(Buffer.from(authorization.slice("Basic ".length), "base64").toString())
            response.writeHead(200, { "content-type": "text/plain" }).end(`${"1".repeat(40)}\trefs/heads/main\n`)
          })
          server.listen(0, "127.0.0.1", () => {
            const { port } = server.address() as AddressInfo
            done(
              Effect.succeed({
                url: `http://127.0.0.1:${port}`,
                close: () => void server.close().closeAllConnections()
              })
            )
          }).unref()
        }),
        ({ close }) => Effect.sync(close)
      )
      yield* run(only("sh", "git config").replaceAll("https://gitlab.example", origin.url))
      const read = `git ls-remote ${origin.url}/group/project.git`
      assert.include(yield* run(read), "refs/heads/main")
      assert.deepStrictEqual([...new Set(seen)], [`oauth2:${yield* token("gitlab")}`])
      assert.lengthOf(stage.server.redemptions, 0)

      // Expired: the next command refreshes it.
      const expired = yield* token("gitlab")
      yield* stage.change("gitlab", { expires_at: 1 })
      assert.include(yield* run(read), "refs/heads/main")
      assert.notStrictEqual(yield* token("gitlab"), expired)
      assert.lengthOf(stage.server.redemptions, 1)

      // Refused, while the clock says that it is good: that command fails, and the next one reads with another token.
      refused.add(yield* token("gitlab"))
      assert.include(yield* run(`${read} 2>&1 || echo failed`), "failed")
      assert.include(yield* run(read), "refs/heads/main")
      assert.lengthOf(stage.server.redemptions, 2)
      assert.strictEqual(seen.at(-1), `oauth2:${yield* token("gitlab")}`)
    }))

  it.scopedLive("git's helper answers what it is asked, and nothing else", () =>
    Effect.gen(function*() {
      const { stage, token } = yield* make
      const ask = (operation: string, input: string, ...more: ReadonlyArray<string>) =>
        stage.run(["git-credential", "gitlab", operation, ...more], { input, prints: true })
      const https = "capability[]=authtype\nprotocol=https\nhost=gitlab.example\n"
      const got = yield* ask("get", `${https}\n`)
      assert.match(
        got.stdout,
        new RegExp(`^username=oauth2\npassword=${yield* token("gitlab")}\npassword_expiry_utc=\\d+\n$`)
      )
      assert.match((yield* ask("get", `${https}username=me\n`)).stdout, /^username=me\n/)
      assert.match((yield* ask("get", `${https}username=me\n`, "--username", "you")).stdout, /^username=you\n/)
      assert.match((yield* ask("get", "protocol=http\nhost=localhost:80\n")).stdout, /^username=/)

      const clear = yield* ask("get", "protocol=http\nhost=gitlab.example\n")
      Stage.assertTold(clear, 2, /in the clear/)
      for (const operation of ["store", "capability", "later"]) {
        const ran = yield* ask(operation, `${https}username=oauth2\npassword=x\n`)
        assert.deepStrictEqual([ran.code, ran.stdout, ran.stderr], [0, "", ""])
      }

      // An outdated password is compared and costs nothing, and so does one that is not told.
      const before = yield* token("gitlab")
      assert.strictEqual((yield* ask("erase", `${https}username=oauth2\npassword=older\n`)).code, 0)
      assert.strictEqual((yield* ask("erase", https)).code, 0)
      assert.strictEqual(yield* token("gitlab"), before)
      assert.lengthOf(stage.server.redemptions, 0)

      // Ten that were refused the same token cause one refresh.
      const erased = yield* Effect.all(
        Array.from({ length: 10 }, () => ask("erase", `${https}password=${before}\n`)),
        { concurrency: "unbounded" }
      )
      for (const { code, stdout } of erased) assert.deepStrictEqual([code, stdout], [0, ""])
      assert.lengthOf(stage.server.redemptions, 1)
      assert.notStrictEqual(yield* token("gitlab"), before)
    }))

  it.scopedLive("has a setting for MCP clients that names a command that is there", () =>
    Effect.gen(function*() {
      const { stage } = yield* make
      const { mcpServers } = JSON.parse(only("json", "mcpServers")) as {
        readonly mcpServers: {
          readonly linear: {
            readonly command: string
            readonly args: ReadonlyArray<string>
            readonly env: Readonly<Record<string, string>>
          }
        }
      }
      // The page of MCP says the same, and what a client without an environment needs.
      const [, other] = /^```json\n(\{\s*"mcpServers"[\s\S]*?)^```$/m.exec(MCP_PAGE) ?? []
      assert.deepStrictEqual(JSON.parse(other!), { mcpServers })
      assert.property(mcpServers.linear.env, "LOCKSTEP_HOME")
      // A login that names no server, so that it ends instead of waiting for a client.
      const ran = yield* stage.run(mcpServers.linear.args)
      Stage.assertTold(ran, 2, /not the login of an MCP server/)
    }))
})
