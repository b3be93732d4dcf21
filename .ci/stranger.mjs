// A stranger installs the tarballs, and nothing else of this repository, into empty folders, and uses them: the command, and
// strict TypeScript programs of three kinds, with the lowest and the newest `effect` of the line. What the documents show is
// what is compiled and run. The authorization server is the outside world.
//
//     node .ci/stranger.mjs [FOLDER OF TARBALLS]
import assert from "node:assert/strict"
import { execFile, spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { createInterface } from "node:readline"
import { promisify } from "node:util"
import { packages, top } from "./packages.mjs"

/** What may be installed with what is called `lockstep`, and with the libraries, in megabytes. */
const FRONT_DOOR = 12
const LIBRARY = 60

/** The ends of the line that the libraries promise to work with. */
const LINE = [["lowest", "3.22.0", "0.97.0"], ["newest", "~3.22.0", "~0.97.0"]]

const { devDependencies: pinned } = JSON.parse(readFileSync(join(top, "package.json"), "utf8"))
const { devDependencies: sdk } = packages.find(({ name }) => name === "lockstep").manifest
const tarballs = resolve(process.argv[2] ?? join(top, "dist", "release"))
const tarballOf = (name) => {
  const { manifest } = packages.find((one) => one.name === name)
  return join(tarballs, `${name.replace("@", "").replace("/", "-")}-${manifest.version}.tgz`)
}
const libraries = packages.map(({ name }) => name).filter((name) => name !== "lockstep")

const place = mkdtempSync(join(tmpdir(), "lockstep-stranger-"))
const user = join(place, "user")
mkdirSync(user)
/** Nothing of the one who runs this but the search path, and where packages come from. */
const env = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) =>
      /^(npm_config_|node_extra_ca_certs$|https?_proxy$|no_proxy$)/i.test(name)
    )
  ),
  PATH: process.env.PATH,
  HOME: user,
  USERPROFILE: user,
  npm_config_userconfig: process.env.npm_config_userconfig ?? join(process.env.HOME ?? "", ".npmrc"),
  LOCKSTEP_HOME: join(place, "home")
}
for (const name of Object.keys(env)) {
  // What `npm run` tells its scripts about the workspace is not the stranger's.
  if (/^npm_config_(local_prefix|prefix|global_prefix|workspace)/i.test(name)) delete env[name]
}

const execute = promisify(execFile)
const run = async (program, args, { cwd = user, input, more = {} } = {}) => {
  try {
    const running = execute(program, args, { cwd, env: { ...env, ...more }, encoding: "utf8", maxBuffer: 1 << 26 })
    running.child.stdin.end(input)
    return (await running).stdout
  } catch (error) {
    throw new Error(`${program} ${args.join(" ")}: ${error.code}\n${error.stdout}${error.stderr}`, { cause: error })
  }
}
const npm = (args, options) =>
  run("npm", [...args, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], options)

const say = (text) => console.log(`stranger: ${text}`)

const bytesBelow = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .reduce((sum, one) => sum + statSync(join(one.parentPath, one.name)).size, 0)

const bounded = (what, folder, bound) => {
  const megabytes = bytesBelow(folder) / 1024 / 1024
  say(`${what}: ${megabytes.toFixed(1)} MB installed, of ${bound}`)
  assert.ok(megabytes <= bound, `${what} is larger than ${bound} MB`)
}

/** Programs that a project runs at its installation, unless it is told not to. */
const scripts = (project) => {
  const { packages: installed } = JSON.parse(readFileSync(join(project, "node_modules/.package-lock.json"), "utf8"))
  return Object.entries(installed).filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => path).sort()
}

const copiesOf = (project, name) =>
  readdirSync(join(project, "node_modules"), { recursive: true })
    .filter((path) => path === join(name, "package.json") || path.endsWith(join("node_modules", name, "package.json")))

// The outside world: an authorization server that rotates and revokes at reuse, and an API with an MCP server.

const startServer = async () => {
  const child = spawn(process.execPath, [join(top, "packages/testkit/bin/authorization-server.js")], {
    stdio: ["pipe", "pipe", "inherit"]
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => JSON.parse((await lines.next()).value)
  const addresses = await next()
  let count = 0
  const ask = async (request) => {
    child.stdin.write(`${JSON.stringify({ id: String(++count), ...request })}\n`)
    return (await next()).result
  }
  return {
    ...addresses,
    isActive: (token) => ask({ do: "isActive", token }),
    report: () => ask({ do: "report" }),
    close: () => child.stdin.end()
  }
}

const startApi = async (isActive) => {
  const seen = []
  const answers = {
    initialize: ({ protocolVersion }) => ({
      protocolVersion,
      capabilities: { tools: {} },
      serverInfo: { name: "stranger", version: "1.0.0" }
    }),
    "tools/list": () => ({ tools: [{ name: "greet", inputSchema: { type: "object" } }] })
  }
  const server = createServer(async (request, response) => {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1]
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    if (token === undefined || !(await isActive(token))) return response.writeHead(401).end()
    seen.push(request.url)
    if (request.url !== "/mcp") return response.setHeader("content-type", "application/json").end("[]")
    if (request.method !== "POST") return response.writeHead(405).end()
    const { id, method, params } = JSON.parse(Buffer.concat(chunks).toString())
    if (id === undefined) return response.writeHead(202).end()
    const answer = { jsonrpc: "2.0", id, result: answers[method](params) }
    response.setHeader("content-type", "application/json").end(JSON.stringify(answer))
  })
  await new Promise((done) => server.listen(0, "127.0.0.1", done))
  return { origin: `http://127.0.0.1:${server.address().port}`, seen, close: () => server.close() }
}

/** Follows a login's address to where a browser would be sent back, as a person who agrees to everything. */
const agree = async (address) => {
  const cookies = new Map()
  let url = new URL(address)
  url.searchParams.set("login_hint", "stranger")
  for (let hop = 0; hop < 16 && url.pathname !== "/callback"; hop++) {
    const response = await fetch(url, {
      redirect: "manual",
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; ") }
    })
    for (const cookie of response.headers.getSetCookie()) {
      const [pair] = cookie.split(";")
      cookies.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1))
    }
    url = new URL(response.headers.get("location"), url)
  }
  return url.href
}

const useCommand = async (server) => {
  const prefix = join(place, "global")
  await npm(["install", "--global", "--prefix", prefix, tarballOf("lockstep")])
  bounded("lockstep", join(prefix, "lib/node_modules"), FRONT_DOOR)
  const lockstep = (args, options) => run(join(prefix, "bin", "lockstep"), args, options)
  await lockstep(["--version"])
  const login = ["login", "--issuer", server.issuer, "--client-id", server.clientId, "--tenant", "acme"]
  const begun = JSON.parse(await lockstep([...login, "--scope", "openid offline_access", "--no-browser", "--json"]))
  await lockstep(["login", "acme", "--code", "-"], { input: await agree(begun.authorization_url) })
  const token = (await lockstep(["token", "acme"])).trim()
  assert.ok(await server.isActive(token), "the token is not one of the server's")
  assert.match(await lockstep(["status"]), /acme\s+fresh/)
  await lockstep(["doctor"])
  assert.match(await lockstep(["completions", "bash"]), /rejected-stdin/)
  assert.ok(statSync(join(prefix, "share/man/man1/lockstep.1")).size > 0, "there is no man page")
  // The command finds the keyring's helper, and the helper its native part: without a session they say what the keyring says.
  if (process.platform === "linux") {
    await assert.rejects(
      lockstep(["import", "acme", "--from", "-", "--store", "keyring"], {
        input: "{\"access_token\":\"not-a-token\"}",
        more: { LOCKSTEP_HOME: join(place, "other-home") }
      }),
      /no D-Bus/
    )
  }
  say("the command logs in, prints a token, and is healthy")
}

const blocksOf = (path) => [...readFileSync(path, "utf8").matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code)

/** The examples of the documents, turned to the stranger's login and API. */
const programs = (origin) => {
  const here = (code) =>
    code.replaceAll("\"codex\"", "\"acme\"").replaceAll("https://api.example", origin)
      .replaceAll("\"mcp:linear\"", "\"acme\"").replaceAll("https://mcp.linear.app", origin)
  const found = (paths, has) => {
    const code = paths.flatMap((path) => blocksOf(join(top, path))).find((one) => one.includes(has))
    assert.ok(code !== undefined, `no document shows ${has}`)
    return here(code)
  }
  const mcp = found(["docs/mcp.md"], "StreamableHTTPClientTransport")
    .replace(
      "declare const openBrowser: (address: URL) => void",
      "const openBrowser = (address: URL): void => console.error(address.href)"
    )
    .replace("tenant: \"acme\",", `tenant: "acme",\n    origins: ["${origin}"],`)
  const connected = (name) =>
    `${mcp}
import { Client } from "${name}"
const client = new Client({ name: "stranger", version: "1.0.0" })
await client.connect(transport as Parameters<typeof client.connect>[0])
console.log((await client.listTools()).tools.map(({ name }) => name).join(" "))
await client.close()
await lockstep.close()
`
  return {
    effect: found(["README.md"], "effect/Effect"),
    promise: found(["packages/cli/README.md"], "from \"lockstep\""),
    mcp: connected("@modelcontextprotocol/client"),
    mcp1: connected("@modelcontextprotocol/sdk/client/index.js")
      .replace("\"@modelcontextprotocol/client\"", "\"@modelcontextprotocol/sdk/client/streamableHttp.js\""),
    bearer: `import * as HttpClient from "@effect/platform/HttpClient"
import * as BearerClient from "@lockstep/http/BearerClient"
import * as TenantId from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"

export const client = Effect.gen(function*() {
  const attach = yield* BearerClient.make({ tenant: TenantId.make("acme"), origins: ["${origin}"] })
  return attach(yield* HttpClient.HttpClient)
})
`
  }
}

/** Types of packages are checked as well where they are our own; what others publish is theirs. */
const OPTIONS = {
  target: "ES2022",
  lib: ["ES2023", "DOM"],
  types: ["node"],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  verbatimModuleSyntax: true,
  outDir: "out"
}

const MODULES = {
  nodenext: { module: "NodeNext", moduleResolution: "NodeNext" },
  bundler: { module: "ESNext", moduleResolution: "Bundler", noEmit: true }
}

const compile = async (project, kind, files, more = {}) => {
  const config = join(project, `tsconfig.${kind}.json`)
  writeFileSync(config, JSON.stringify({ compilerOptions: { ...OPTIONS, ...MODULES[kind], ...more }, files }))
  await run(process.execPath, [join(project, "node_modules/typescript/bin/tsc"), "-p", config], { cwd: project })
}

const oneEffect = (project) => {
  const copies = copiesOf(project, "effect")
  assert.equal(copies.length, 1, `there are ${copies.length} copies of effect: ${copies.join(", ")}`)
  return JSON.parse(readFileSync(join(project, "node_modules/effect/package.json"), "utf8")).version
}

const useLibraries = async ([end, effect, platform], api) => {
  const project = join(place, end)
  mkdirSync(project)
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "stranger", private: true, type: "module" }))
  await npm(["install", `effect@${effect}`, ...libraries.map(tarballOf)], { cwd: project })
  oneEffect(project)
  bounded(`the libraries with the ${end} effect`, join(project, "node_modules"), LIBRARY)
  assert.deepEqual(scripts(project), ["node_modules/koffi"])
  await npm(
    [
      "install",
      `effect@${effect}`,
      `@effect/platform@${platform}`,
      tarballOf("lockstep"),
      `typescript@${pinned.typescript}`,
      `@types/node@${pinned["@types/node"]}`,
      ...Object.entries(sdk).filter(([name]) => name.startsWith("@modelcontextprotocol/")).map((one) => one.join("@"))
    ],
    { cwd: project }
  )
  const version = oneEffect(project)
  await npm(["ls", "effect"], { cwd: project })

  const code = programs(api.origin)
  for (const [name, text] of Object.entries(code)) writeFileSync(join(project, `${name}.ts`), text)
  const files = Object.keys(code).map((name) => `${name}.ts`)
  for (const kind of Object.keys(MODULES)) {
    await compile(project, kind, files, { skipLibCheck: true })
    // Of the front door every declaration is checked: it stands alone.
    await compile(project, kind, ["promise.ts"])
  }

  const programOf = async (name) => {
    const before = api.seen.length
    const output = await run(process.execPath, [join(project, "out", `${name}.js`)], { cwd: project })
    assert.ok(api.seen.length > before, `${name} reached no API with its token: ${output}`)
    return output
  }
  await programOf("effect")
  assert.equal((await programOf("promise")).trim(), "200")
  for (const name of ["mcp", "mcp1"]) assert.equal((await programOf(name)).trim(), "greet")
  await run("npx", ["--no-install", "lockstep", "--version"], { cwd: project })
  say(`effect ${version}: five programs compile under ${Object.keys(MODULES).join(" and ")}, four of them ran`)
}

const server = await startServer()
const api = await startApi(server.isActive)
try {
  await useCommand(server)
  for (const one of LINE) await useLibraries(one, api)
  const { reuses, revocations } = await server.report()
  assert.deepEqual([reuses, revocations], [[], []], "a refresh token was sent twice")
  say("satisfied")
} finally {
  api.close()
  server.close()
  rmSync(place, { recursive: true, force: true })
}
