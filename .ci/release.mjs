// Checks and packs everything that is published, and publishes it unless `--dry-run` is said.
//
//     npm run release -- --dry-run [--out FOLDER]
//
// Versions are made beforehand by `npx changeset version`, which also writes the changelogs. A tarball is looked at as its
// user gets it: what lies in it, what its maps and imports lead to, and what two judges of packages say.
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core"
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { isBuiltin } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import ts from "typescript"
import { notices, render } from "../packages/cli/notices.mjs"
import { outdated } from "./api.mjs"
import { isStale, packages, top } from "./packages.mjs"

const flag = (name) => {
  const at = process.argv.indexOf(name)
  return at === -1 ? undefined : process.argv[at + 1]
}

const isDry = process.argv.includes("--dry-run")
const out = resolve(flag("--out") ?? join(top, "dist", "release"))
const run = (program, args, options = {}) => execFileSync(program, args, { cwd: top, encoding: "utf8", ...options })
const faults = []
const fault = (name, what) => faults.push(`${name}: ${what}`)

const filesBelow = (folder) =>
  readdirSync(folder, { recursive: true }).filter((file) => statSync(join(folder, file)).isFile())

/** What the manifests of all packages have to agree on. */
const checkManifests = () => {
  const licence = readFileSync(join(top, "LICENSE"), "utf8")
  const { repository, version } = JSON.parse(readFileSync(join(top, "package.json"), "utf8"))
  for (const { folder, manifest, name } of packages) {
    if (manifest.version !== packages[0].manifest.version) fault(name, "its version is not that of the others")
    if (manifest.repository?.url !== repository.url) fault(name, "`repository` is not that of the workspace")
    if (manifest.publishConfig?.provenance !== true) fault(name, "`publishConfig.provenance` is missing")
    if (!existsSync(join(folder, "LICENSE")) || readFileSync(join(folder, "LICENSE"), "utf8") !== licence) {
      fault(name, "LICENSE is not that of the workspace")
    }
    if (!readFileSync(join(folder, "CHANGELOG.md"), "utf8").includes(`\n## ${manifest.version}\n`)) {
      fault(name, `CHANGELOG.md says nothing of ${manifest.version}`)
    }
    for (const [other, range] of Object.entries({ ...manifest.dependencies })) {
      const ours = packages.find((one) => one.name === other)
      if (ours !== undefined && range !== ours.manifest.version) {
        fault(name, `${other} ${range} is not what is released`)
      }
    }
    const scripts = Object.keys(manifest.scripts ?? {}).filter((script) => /install$|^prepare$/.test(script))
    if (scripts.length > 0) fault(name, `it would run ${scripts.join(", ")} at its users'`)
    const dist = join(folder, "dist")
    const stale = filesBelow(dist).filter((file) => isStale({ folder, name }, file))
    if (stale.length > 0) fault(name, `${stale[0]} was built of a source that is gone: remove dist and build again`)
  }
  if (version === undefined) fault("the workspace", "it has no version")
}

const packageOf = (specifier) => specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/")

/** The packages that the code and the types of a tarball ask for and its manifest does not name. */
const undeclared = (folder, files, { dependencies = {}, name, peerDependencies = {} }) => {
  const known = new Set([name, ...Object.keys(dependencies), ...Object.keys(peerDependencies)])
  const asked = files.filter((file) => /^(dist|bin)\/.*\.(m?js|d\.ts)$/.test(file)).flatMap((file) =>
    ts.preProcessFile(readFileSync(join(folder, file), "utf8"), true, true).importedFiles.map(({ fileName }) =>
      fileName
    )
  )
  return [...new Set(asked.filter((from) => !from.startsWith(".") && !isBuiltin(from)).map(packageOf))]
    .filter((one) => !known.has(one))
}

/** What a map names, or what names a map, and is not in the tarball. */
const brokenMaps = (folder, files) =>
  files.flatMap((file) => {
    const at = (path) => join(folder, dirname(file), path)
    if (file.endsWith(".map")) {
      const { sources, sourcesContent } = JSON.parse(readFileSync(join(folder, file), "utf8"))
      return sourcesContent === undefined ? sources.filter((source) => !existsSync(at(source))).map(() => file) : []
    }
    if (!/\.(m?js|d\.m?ts)$/.test(file)) return []
    const map = /^\/\/# sourceMappingURL=(?!data:)(\S+)$/m.exec(readFileSync(join(folder, file), "utf8"))
    return map === null || existsSync(at(map[1])) ? [] : [file]
  })

const targetsOf = (exported) =>
  exported === null
    ? []
    : typeof exported === "string"
    ? [exported]
    : Object.values(exported).flatMap(targetsOf)

const NEEDED = ["package.json", "LICENSE", "README.md", "CHANGELOG.md"]

const checkContent = (folder, manifest) => {
  const files = filesBelow(folder)
  const { name } = manifest
  for (const file of [...NEEDED, ...(name === "lockstep" ? ["NOTICE", "man/lockstep.1", "bin/lockstep.js"] : [])]) {
    if (!files.includes(file)) fault(name, `${file} is missing in its tarball`)
  }
  for (const file of files) {
    if (/tsbuildinfo|^dist\/(test-|cache)|\.test\.|^test\//.test(file)) fault(name, `${file} is no part of a release`)
  }
  for (const target of targetsOf(manifest.exports)) {
    if (!target.includes("*") && !existsSync(join(folder, target))) {
      fault(name, `it exports ${target}, which is not there`)
    }
  }
  for (const file of brokenMaps(folder, files)) fault(name, `${file} leads to a source or map that is not there`)
  for (const one of undeclared(folder, files, manifest)) fault(name, `it imports ${one} and does not name it`)
}

/** ES modules only: how old resolvers and `require` see them is no fault. */
const PASSED_OVER = new Set(["node10", "node16-cjs"])

const judge = async (tarball, folder, name) => {
  const { messages, pkg } = await publint({ pkgDir: folder, strict: true, pack: false })
  for (const message of messages) fault(name, `publint: ${formatMessage(message, pkg)}`)
  const result = await checkPackage(createPackageFromTarballData(new Uint8Array(readFileSync(tarball))))
  if (result.types === false) return fault(name, "attw: it has no types")
  for (const problem of result.problems) {
    if (!PASSED_OVER.has(problem.resolutionKind)) fault(name, `attw: ${JSON.stringify(problem)}`)
  }
}

const size = (bytes) => `${(bytes / 1024 / 1024).toFixed(2)} MB`

const pack = (folder) => {
  const [{ filename, unpackedSize }] = JSON.parse(
    run("npm", ["pack", "--json", "--silent", "--pack-destination", out], {
      cwd: folder,
      env: { ...process.env, LOCKSTEP_RELEASE_BUILT: "1" }
    })
  )
  return { tarball: join(out, filename), unpackedSize }
}

run("npm", ["run", "--silent", "build"], { stdio: "inherit" })
checkManifests()
if (readFileSync(join(top, "packages/cli/NOTICE"), "utf8") !== render(await notices())) {
  fault("lockstep", "NOTICE is not what is bundled")
}
for (const path of outdated(false)) {
  fault("api", `${path} is not what is built: run \`npm run api\` and look at the difference`)
}

rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
const unpacked = mkdtempSync(join(tmpdir(), "lockstep-release-"))
const packed = []
try {
  for (const { folder, name } of packages) {
    const { tarball, unpackedSize } = pack(folder)
    const there = join(unpacked, name.replace("/", "-"))
    mkdirSync(there)
    run("tar", ["-xzf", tarball, "-C", there, "--strip-components=1"])
    const manifest = JSON.parse(readFileSync(join(there, "package.json"), "utf8"))
    checkContent(there, manifest)
    await judge(tarball, there, name)
    packed.push(tarball)
    console.log(`${name} ${manifest.version}: ${size(statSync(tarball).size)}, unpacked ${size(unpackedSize)}`)
  }
} finally {
  rmSync(unpacked, { recursive: true, force: true })
}

if (faults.length > 0) {
  console.error(`nothing is released:\n  ${faults.join("\n  ")}`)
  process.exit(1)
}
if (isDry) console.log(`${packed.length} tarballs in ${out}`)
else {
  const { repository } = packages[0].manifest
  if (new URL(repository.url.replace(/^git\+/, "")).hostname.endsWith(".example")) {
    console.error(
      "nothing is released: `repository` names a place that does not exist; say `npm run repository -- URL`"
    )
    process.exit(1)
  }
  for (const tarball of packed) {
    run("npm", ["publish", tarball, "--provenance", "--access", "public"], { stdio: "inherit" })
  }
}
