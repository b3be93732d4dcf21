/** docs/fleet.md, followed from nothing to hosts that share a login: what runs here is what stands there. */
import { assert, describe, it } from "@effect/vitest"
import * as PostgresServer from "@lockstep/testkit/servers/PostgresServer"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import type PgType from "pg"
import { parse } from "yaml"
import * as Finding from "../src/doctor/Finding.js"
import * as Document from "./support/FleetDocument.js"
import * as Stage from "./support/Stage.js"

const Pg = createRequire(new URL("../../postgres/package.json", import.meta.url))("pg") as typeof PgType

/** The page uses psql, pg_dump and pg_restore, which come with a server of the system. */
const installation = PostgresServer.installations().find(({ bin }) => fs.existsSync(join(bin, "psql")))

interface Container {
  readonly name: string
  readonly image: string
  readonly command?: ReadonlyArray<string>
  readonly env?: ReadonlyArray<{ readonly name: string; readonly value: string }>
  readonly volumeMounts: ReadonlyArray<
    { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }
  >
  readonly startupProbe?: Probe
  readonly readinessProbe?: Probe
  readonly livenessProbe?: Probe
}

interface Probe {
  readonly exec: { readonly command: ReadonlyArray<string> }
  readonly periodSeconds: number
  readonly timeoutSeconds: number
}

interface Deployment {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly replicas: number
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> }
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> }
      readonly spec: {
        readonly terminationGracePeriodSeconds: number
        readonly securityContext: Readonly<Record<string, unknown>>
        readonly initContainers: ReadonlyArray<Container>
        readonly containers: ReadonlyArray<Container>
        readonly volumes: ReadonlyArray<
          {
            readonly name: string
            readonly emptyDir?: object
            readonly secret?: { secretName: string; defaultMode: number }
          }
        >
      }
    }
  }
}

const manifest = (): Deployment => {
  const found = Document.blocks.filter(({ language }) => language === "yaml")
  assert.lengthOf(found, 1)
  return parse(found[0]!.text, { strict: true, version: "1.1" }) as Deployment
}

describe("docs/fleet.md", () => {
  it("has a manifest of the right shape", () => {
    const { apiVersion, kind, spec } = manifest()
    assert.deepStrictEqual([apiVersion, kind], ["apps/v1", "Deployment"])
    assert.deepStrictEqual(spec.selector.matchLabels, spec.template.metadata.labels)
    const pod = spec.template.spec
    // A flight that has sent its request is drained: redeemLimit, aggregateLockTimeout, persistRetry, and the spool.
    assert.isAtLeast(pod.terminationGracePeriodSeconds, 15 + 5 + 2 + 5)
    const volumes = new Map(pod.volumes.map((volume) => [volume.name, volume]))
    for (const container of [...pod.initContainers, ...pod.containers]) {
      assert.isString(container.image)
      for (const { mountPath, name } of container.volumeMounts) {
        assert.isTrue(volumes.has(name), name)
        assert.match(mountPath, /^\//)
      }
    }
    const secret = [...volumes.values()].find((volume) => volume.secret !== undefined)!.secret!
    assert.deepStrictEqual(secret, { secretName: "lockstep", defaultMode: 0o440 })
    const [agent] = pod.containers
    const env = new Map(agent!.env!.map(({ name, value }) => [name, value]))
    const isMounted = (path: string) => agent!.volumeMounts.some(({ mountPath }) => path.startsWith(`${mountPath}/`))
    for (const name of ["LOCKSTEP_HOME", "LOCKSTEP_POSTGRES_URL_FILE", "LOCKSTEP_SECRETS_KEY_FILE"]) {
      assert.isTrue(isMounted(env.get(name)!), name)
    }
    assert.isUndefined(agent!.livenessProbe)
    for (const probe of [agent!.startupProbe!, agent!.readinessProbe!]) {
      assert.strictEqual(probe.exec.command[0], "lockstep")
      assert.isAbove(probe.periodSeconds, 0)
      assert.isAbove(probe.timeoutSeconds, 1)
    }
  })

  it("names findings that the doctor has", () => {
    assert.isAtLeast(Document.findings.length, 8)
    for (const code of Document.findings) assert.property(Finding.CODES, code)
  })

  it.runIf(installation !== undefined)(
    "leads from nothing to hosts that share a login, a pod among them, and back after a loss",
    () =>
      Effect.runPromise(Effect.scoped(Effect.gen(function*() {
        const postgres = yield* PostgresServer.start(installation!)
        const stage = yield* Stage.make()
        const root = join(stage.harness.home, "..", "machines")
        const left = [...Document.blocks]
        const take = (where: string): string => {
          const at = left.findIndex((block) => block.where === where)
          assert.isAtLeast(at, 0, where)
          return left.splice(at, 1)[0]!.text
        }

        /** Directories of a machine of its own, in the place of those of the page. */
        const placed = (machine: string, text: string): string =>
          ["/etc/lockstep", "/var/lib/lockstep", "/run/lockstep"]
            .reduce((all, path) => all.replaceAll(path, join(root, machine, path)), text)
            .replaceAll("127.0.0.1/", `127.0.0.1:${postgres.port}/`)
        const homeOf = (machine: string) => machine === "first" ? stage.harness.home : join(root, machine, "home")
        const run = (machine: string, text: string, env: Readonly<Record<string, string>> = {}) =>
          Effect.gen(function*() {
            fs.mkdirSync(join(root, machine), { recursive: true, mode: 0o755 })
            const ran = yield* stage.shell(
              `set -euo pipefail\nlockstep() { $LOCKSTEP "$@"; }\ncd '${join(root, machine)}'\n${
                placed(machine, text)
              }`,
              {
                env: {
                  PATH: `${installation!.bin}:${process.env["PATH"]}`,
                  PGPORT: String(postgres.port),
                  LOCKSTEP_HOME: homeOf(machine),
                  ...env
                },
                prints: true
              }
            )
            assert.notInclude(ran.stdout + ran.stderr, "change-app")
            return ran
          })
        const ok = (machine: string, text: string, env?: Readonly<Record<string, string>>) =>
          Effect.map(run(machine, text, env), (ran) => {
            assert.strictEqual(ran.code, 0, `${text}\n${ran.stdout}${ran.stderr}`)
            return ran.stdout.trim()
          })
        const last = (text: string): string => text.split("\n").at(-1)!

        // In the place of the container: a server of this machine, whose administrator is called as the container's is.
        assert.include(take("where the database is"), "docker run")
        yield* Effect.promise(async () => {
          const client = new Pg.Client({ connectionString: postgres.url("postgres") })
          await client.connect()
          await client.query("create role postgres superuser login password 'change-me'")
          await client.end()
        })
        const administrator = take("where the database is")
        const asAdministrator = administrator.split("\n").find((line) => line.startsWith("export "))!
        yield* ok("database", administrator)
        assert.include(yield* ok("database", take("once")), "brought to version")

        // Two hosts that have the key, one of which has the logins.
        const settings = take("on every host")
        const onHost = (machine: string, text: string) => ok(machine, `${settings}\n${text}`)
        const bring = (machine: string): void => {
          const directory = join(root, machine, "/etc/lockstep")
          fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
          fs.copyFileSync(join(root, "database", "/etc/lockstep/key"), join(directory, "key"))
        }
        for (const machine of ["first", "second"]) bring(machine)
        yield* stage.seed({}, { tenant: "other", left: 3_600 })
        const token = last(yield* onHost("first", take("on the host that has the logins")))
        assert.match(token, /^lockstep-at-/)
        const others = take("on the others")
        const shown = yield* onHost("second", others)
        assert.include(shown.split("\n"), token)
        assert.include(shown, "SESSION")
        assert.lengthOf(stage.server.redemptions, 1)

        // A pod: the secret is mounted as a cluster mounts it, and its commands are those of the manifest.
        assert.include(take("where kubectl is"), "--from-file=key=/etc/lockstep/key")
        take("agent.yaml")
        const pod = manifest().spec.template.spec
        for (const { mountPath, name } of pod.containers[0]!.volumeMounts) {
          const directory = join(root, "pod", mountPath)
          fs.mkdirSync(directory, { recursive: true })
          fs.chmodSync(directory, 0o777)
          if (name !== "secrets") continue
          for (const file of ["url", "key"]) {
            fs.copyFileSync(join(root, "first", "/etc/lockstep", file), join(directory, file))
            // A cluster's file belongs to another user than the process, and is open to a group of both.
            const mode = pod.volumes.find((volume) => volume.name === name)!.secret!.defaultMode
            fs.chmodSync(join(directory, file), process.getuid?.() === 0 ? mode : 0o400)
            if (process.getuid?.() === 0) fs.chownSync(join(directory, file), 65_534, 0)
          }
        }
        const quoted = (command: ReadonlyArray<string>) =>
          command.map((word) => `'${word}'`).join(" ").replace("'lockstep'", "lockstep")
        const env = Object.fromEntries(
          pod.containers[0]!.env!.map(({ name, value }) => [name, placed("pod", value)])
        )
        for (const { command } of pod.initContainers) yield* ok("pod", quoted(command!), env)
        for (const probe of [pod.containers[0]!.startupProbe!, pod.containers[0]!.readinessProbe!]) {
          JSON.parse(yield* ok("pod", quoted(probe.exec.command), env))
        }
        assert.strictEqual(yield* ok("pod", "lockstep token codex", env), token)
        assert.lengthOf(stage.server.redemptions, 1)

        // Statements of the page.
        for (const where of ["by the owner", "what an issuer may be asked for"]) {
          yield* ok("database", `${asAdministrator}\npsql --set ON_ERROR_STOP=1 lockstep <<'SQL'\n${take(where)}SQL`)
        }

        // A backup, a refresh after it, and the loss.
        yield* ok("database", `${asAdministrator}\n${take("a backup")}`)
        yield* onHost("second", "export LOCKSTEP_STORE=postgres\nlockstep refresh codex")
        assert.lengthOf(stage.server.redemptions, 2)
        const loss = take("after a loss")
        const [restore, restored] = [/^pg_restore .*$/m.exec(loss)![0], /^lockstep restored .*$/m.exec(loss)![0]]
        assert.strictEqual(loss, `# after a loss, with every process stopped\n${restore}\n${restored}\n`)
        yield* ok("database", `${asAdministrator}\n${restore}`)
        const told = yield* onHost("first", restored)
        assert.include(told, "codex")
        assert.include(told, "other")
        // The old token is sent by none; the host that made the last refresh has its answer, and brings it.
        const refused = yield* run("first", `${settings}\nlockstep refresh codex`)
        assert.strictEqual(refused.code, 3, refused.stderr)
        yield* onHost("second", "lockstep refresh codex")
        assert.lengthOf(stage.server.redemptions, 2)
        const repaired = last(yield* onHost("second", "lockstep token codex"))
        assert.notStrictEqual(repaired, token)
        assert.strictEqual(last(yield* onHost("first", "lockstep token codex")), repaired)

        assert.deepStrictEqual(left, [])
      }))),
    300_000
  )
})
