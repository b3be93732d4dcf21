#!/usr/bin/env node
import { main } from "../dist/fleet/FleetCommand.js"

main(process.argv.slice(2))
