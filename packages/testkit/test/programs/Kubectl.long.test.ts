/** kubectl at a cluster that is an API server in TLS with one pod, set up by `lockstep setup kubectl` and by the page. */
import { assert, describe, it } from "@effect/vitest"
import * as SelfSignedCertificate from "@lockstep/testkit/servers/SelfSignedCertificate"
import * as Effect from "effect/Effect"
import { readFileSync, writeFileSync } from "node:fs"
import { parse, stringify } from "yaml"
import * as Recipe from "./recipe.js"
import * as Stage from "./stage.js"
import * as Table from "./table.js"

const ROW = "kubectl"
const seen = Table.observe(ROW, "kubectl")

/** What kubectl asks before it lists pods, and the pods. */
const ANSWERS: Readonly<Record<string, unknown>> = {
  "/api": { kind: "APIVersions", versions: ["v1"] },
  "/apis": { kind: "APIGroupList", apiVersion: "v1", groups: [] },
  "/api/v1": {
    kind: "APIResourceList",
    groupVersion: "v1",
    resources: [{ name: "pods", singularName: "pod", namespaced: true, kind: "Pod", verbs: ["get", "list"] }]
  },
  "/api/v1/namespaces/default/pods": {
    kind: "PodList",
    apiVersion: "v1",
    metadata: {},
    items: [{ kind: "Pod", apiVersion: "v1", metadata: { name: "the-pod", namespace: "default" } }]
  }
}

const cluster = (isGood: (token: string) => Effect.Effect<boolean>) =>
  Effect.gen(function*() {
    const certificate = SelfSignedCertificate.make()
    const listed: Array<string> = []
    const port = yield* Recipe.serve((request, response) => {
      const token = (request.headers.authorization ?? "").replace(/^Bearer /, "")
      const path = new URL(request.url ?? "/", "https://x").pathname
      const say = (status: number, body: unknown) =>
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
      void Effect.runPromise(isGood(token)).then((good) => {
        if (!good) {
          return say(401, { kind: "Status", apiVersion: "v1", status: "Failure", reason: "Unauthorized", code: 401 })
        }
        if (path.endsWith("/pods")) {
          listed.push(token)
        }
        return path in ANSWERS ? say(200, ANSWERS[path]) : say(404, { kind: "Status", apiVersion: "v1", code: 404 })
      })
    }, certificate)
    return { certificate, listed, url: `https://127.0.0.1:${port}` }
  })

describe.skipIf(!Stage.isInstalled("kubectl"))(`${ROW}, the real program`, () => {
  it.scopedLive(
    "lists pods after an expiry, several at once with one redemption, as it was set up",
    () =>
      Effect.gen(function*() {
        const recipe = yield* Recipe.make("cluster")
        const { certificate, listed, url } = yield* cluster(recipe.isGood)
        const present = [
          "apiVersion: v1",
          "kind: Config # of kubectl",
          "current-context: here",
          "clusters:",
          "- name: c",
          `  cluster: { server: "${url}", certificate-authority-data: ${
            Buffer.from(certificate.cert).toString("base64")
          } }`,
          "contexts:",
          "- name: here",
          "  context:",
          "    cluster: c",
          "    user: nobody # yet",
          ""
        ].join("\n")
        yield* recipe.write(".kube/config", present)
        yield* recipe.setup(["kubectl", "cluster", "--context", "here"])
        const written = readFileSync(recipe.stage.path(".kube", "config"), "utf8")
        assert.isTrue(written.startsWith(present.replace("user: nobody", "user: cluster")), written)

        const list = recipe.run("kubectl", ["get", "pods"])
        for (const { code, stderr, stdout } of yield* Effect.all([list, list, list], { concurrency: "unbounded" })) {
          assert.strictEqual(code, 0, stderr)
          assert.include(stdout, "the-pod")
        }
        assert.deepStrictEqual([...new Set(listed)], [recipe.token()])
        yield* recipe.assertCounts(1)

        // Told of no 401, the command has the same token for it: as the page says.
        yield* recipe.revoke
        assert.notStrictEqual((yield* list).code, 0)
        yield* recipe.assertCounts(1)
        yield* recipe.stage.harness.assertNoLeak
      }),
    240_000
  )

  it.scopedLive(
    "lists pods behind the proxy of the page, after an expiry, and after a token that is refused while the clock calls it good",
    () =>
      Effect.gen(function*() {
        const recipe = yield* Recipe.make("cluster")
        const { certificate, listed, url } = yield* cluster(recipe.isGood)
        const authority = recipe.stage.path("ca.pem")
        writeFileSync(authority, certificate.cert)
        const proxy = yield* recipe.proxy(url, { NODE_EXTRA_CA_CERTS: authority })
        const page = parse(Recipe.example("yaml", Recipe.PROXY).replace(Recipe.PROXY, proxy)) as object
        yield* recipe.write(
          ".kube/config",
          stringify({
            apiVersion: "v1",
            kind: "Config",
            ...page,
            contexts: [{ name: "here", context: { cluster: "cluster" } }],
            "current-context": "here"
          })
        )
        for (const redemptions of [1, 2]) {
          const { code, stderr, stdout } = yield* recipe.run("kubectl", ["get", "pods"])
          assert.strictEqual(code, 0, stderr)
          assert.include(stdout, "the-pod")
          assert.strictEqual(listed.at(-1), recipe.token())
          yield* recipe.assertCounts(redemptions)
          yield* recipe.revoke
        }
        yield* recipe.stage.harness.assertNoLeak
        seen("recipe")
      }),
    240_000
  )

  it("stands in the table of the documents as it was seen", () => Table.compare(ROW, "kubectl"))
})
