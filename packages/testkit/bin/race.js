#!/usr/bin/env node
import { main } from "../dist/RaceCommand.js"

main(process.argv.slice(2))
