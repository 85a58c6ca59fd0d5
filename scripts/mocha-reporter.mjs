/**
 * What mocha says by default, and of which file is what no test can be blamed for. Where processes share the files,
 * mocha notes at the error which one did not load or ended its process, and does not tell it.
 */
import * as path from 'node:path'
import Mocha from 'mocha'

export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner, options) {
    // Before the others hear of it.
    runner.on('fail', (test, error) => {
      if (typeof error?.file === 'string') test.title = path.relative(process.cwd(), error.file)
    })
    super(runner, options)
  }
}
