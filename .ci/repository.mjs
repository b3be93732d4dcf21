// Writes where the repository is into every manifest: `npm run repository -- https://forge.example/owner/lockstep`.
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { packages, top } from "./packages.mjs"

const url = process.argv[2]
if (url === undefined || !URL.canParse(url)) throw new Error("say the address of the repository")
const address = `git+${url.replace(/^git\+/, "").replace(/(\.git)?\/?$/, ".git")}`
for (const folder of [top, ...packages.map((one) => one.folder)]) {
  const path = join(folder, "package.json")
  const manifest = JSON.parse(readFileSync(path, "utf8"))
  manifest.repository.url = address
  writeFileSync(path, `${JSON.stringify(manifest, undefined, 2)}\n`)
}
