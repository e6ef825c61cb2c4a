#!/usr/bin/env node
import { runProgram } from './program.js';
import { processTerminal } from './terminal.js';

const FIRST_ARGUMENT = 2;

await runProgram(process.argv.slice(FIRST_ARGUMENT), processTerminal());
