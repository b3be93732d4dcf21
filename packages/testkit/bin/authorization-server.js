#!/usr/bin/env node
import { main } from "../dist/servers/AuthorizationServerProcess.js"

main(process.argv[2])
