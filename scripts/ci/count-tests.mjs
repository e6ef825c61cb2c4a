// Prints `N passed, N failed[, N skipped]`: the sum over the files that vitest's JSON reporter wrote.
//
//   node scripts/ci/count-tests.mjs FILE...
import { readFileSync } from 'node:fs';
import process from 'node:process';

const reports = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, 'utf8')));
const sum = (count) => reports.reduce((total, report) => total + count(report), 0);
// A file that could not even be loaded has no tests to count as failed.
const isUnloadable = (file) => file.status === 'failed' && file.assertionResults.length === 0;

const passed = sum((report) => report.numPassedTests);
const failed = sum((report) => report.numFailedTests + report.testResults.filter(isUnloadable).length);
const skipped = sum((report) => report.numPendingTests + report.numTodoTests);
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
