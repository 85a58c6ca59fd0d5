import assert from 'node:assert/strict'
import { countOf, failedTests } from '../../../scripts/mocha-report.mjs'

const OUTPUT = `
  a suite
    ✔ holds
    1) does not
    inner
      2) neither: does this

  1 passing (12ms)
  3 failing

  1) a suite
       does not:

      AssertionError [ERR_ASSERTION]: SEED=7 case 3
+ actual - expected
      at Context.<anonymous> (test/a.test.ts:5:16)

  2) a suite
       inner
         neither: does this:
     Error: not within 30000 ms: a fact:
      at eventually (test/b.ts:234:40)

  3) another
       "before all" hook for "begins":

      \u001b[31mError: no server\u001b[0m
      at start (test/c.ts:1:1)
`

describe('what mocha says', () => {
  it('is counted', () => {
    assert.equal(countOf(OUTPUT, 'passing'), 1)
    assert.equal(countOf(OUTPUT, 'failing'), 3)
    assert.equal(countOf(OUTPUT, 'pending'), undefined)
  })

  it('is told again, a line for each test that failed', () => {
    assert.deepEqual(failedTests(OUTPUT), [
      'a suite › does not: AssertionError [ERR_ASSERTION]: SEED=7 case 3',
      'a suite › inner › neither: does this: Error: not within 30000 ms: a fact:',
      'another › "before all" hook for "begins": Error: no server',
    ])
    assert.deepEqual(failedTests('  4 passing (1s)\n'), [])
  })
})
