// The reference of the public interface, out of the sources: `dist/reference/index.html`. It fails where an export has no
// documentation, and where a comment links to something that is not there. Nothing of it is committed.
//
//     node .ci/reference.mjs [--check]
//
// `--check` judges and writes nothing.
import { readdirSync } from "node:fs"
import { join, relative } from "node:path"
import { Application, LogLevel, ReflectionKind } from "typedoc"
import { packages, top } from "./packages.mjs"

/** What users can name: every module but what is internal. Of the front door, what it exports. */
const entriesOf = ({ folder, name }) => {
  const src = join(folder, "src")
  return name === "lockstep" ? [join(src, "index.ts")] : readdirSync(src, { recursive: true })
    .filter((file) => file.endsWith(".ts") && !file.split(/[\\/]/).includes("internal") && file !== "index.ts")
    .map((file) => join(src, file))
}

const application = await Application.bootstrap({
  name: "Lockstep",
  readme: "none",
  tsconfig: join(top, ".ci", "reference.tsconfig.json"),
  entryPoints: packages.flatMap(entriesOf),
  basePath: join(top, "packages"),
  excludeInternal: true,
  excludePrivate: true,
  disableSources: true,
  blockTags: ["@since", "@category", "@default", "@see", "@param", "@returns", "@example", "@deprecated"],
  validation: { notDocumented: false, invalidLink: true, invalidPath: true, notExported: false, rewrittenLink: false },
  externalSymbolLinkMappings: { "@types/node": { "*": "#" }, effect: { "*": "#" }, typescript: { "*": "#" } },
  logLevel: LogLevel.Warn
})
const project = await application.convert()
if (project === undefined) throw new Error("the sources do not compile")
application.validate(project)

/** An export whose own words, or those of one of its signatures, say nothing. A module says what it is for, too. */
const isSilent = (reflection) =>
  !reflection.hasComment() && !(reflection.signatures ?? []).some((signature) => signature.hasComment()) &&
  reflection.kind !== ReflectionKind.Reference
const exported = project.getChildrenByKind(ReflectionKind.Module).flatMap((module) => module.children ?? [])
const silent = exported.filter(isSilent).map((reflection) => reflection.getFriendlyFullName())
for (const name of silent) console.error(`${name} is exported and has no documentation`)

const { errorCount, warningCount } = application.logger
const faults = errorCount + warningCount + silent.length
// A run that found nothing to look at has looked at nothing.
if (exported.length < 500) throw new Error(`only ${exported.length} exports were found`)
if (faults > 0) {
  console.error(`${faults} faults in the comments of what is exported`)
  process.exit(1)
}
const out = join(top, "dist", "reference")
if (!process.argv.includes("--check")) await application.generateDocs(project, out)
console.log(
  `${packages.flatMap(entriesOf).length} public modules, ${exported.length} exports, each of them documented${
    process.argv.includes("--check") ? "" : `: ${relative(top, out)}/index.html`
  }`
)
