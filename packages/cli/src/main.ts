/**
 * The entry: a usable stored token is answered by a few lines that need nothing but a file, everything else by the
 * bundle.
 *
 * @since 0.1.0
 */
import * as fs from "node:fs"
import * as FastPath from "./FastPath.js"

const write = (text: string): void => {
  let bytes = Buffer.from(text)
  try {
    while (bytes.length > 0) bytes = bytes.subarray(fs.writeSync(1, bytes))
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    // A full pipe that does not block: Node's own stream waits for its reader.
    if (code === "EAGAIN") process.stdout.write(bytes)
    else if (code !== "EPIPE") throw error
  }
}

const answer = FastPath.answer({
  args: process.argv.slice(2),
  env: process.env,
  now: Date.now(),
  platform: process.platform,
  read: FastPath.readFile
})

if (answer === undefined) {
  const { main } = await import("./Program.js")
  main()
} else {
  write(`${answer}\n`)
}
