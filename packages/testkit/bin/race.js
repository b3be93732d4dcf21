#!/usr/bin/env node
import { main } from "../dist/race/RaceCommand.js"

main(process.argv.slice(2))
