#!/usr/bin/env node
// Says what `npm start` does before it shows anything, on stderr: stdout may be read by a program.
console.error("Building lockstep, about a minute the first time, seconds after that …")
