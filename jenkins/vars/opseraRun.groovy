// Runs an Opsera pipeline, and fails if the pipeline fails or pauses. Returns the outputs, such as
// OPSERA_RUN_COUNT. Its inputs are those of opsera-step, and those in `defaults`:
//
//     opseraRun pipeline: '65a4f00dc0ffee0123456789', timeout: '45m', report_dir: 'opsera-report'
//
// The README beside this directory describes it.

Map call(Map given = [:]) {
    def inputs = defaults() + given
    def variables = []
    for (name in inputNames()) {
        if (inputs[name] != null) {
            variables << "OPSERA_${name.toUpperCase()}=${inputs[name]}".toString()
        }
    }
    variables << "OPSERA_IMAGE=${inputs.image}".toString()
    variables << "OPSERA_SINGLE_FILE=${inputs.single_file}".toString()
    withCredentials([string(credentialsId: inputs.credentials, variable: 'OPSERA_TOKEN')]) {
        withEnv(variables) {
            // Whatever happens, the outputs are not those of an earlier build in this workspace.
            sh 'rm -f "$OPSERA_OUTPUT_FILE"'
            try {
                sh commandLine('')
            } catch (Exception failure) {
                // Stops the run that a killed job left in progress; otherwise does nothing.
                cleanUp()
                throw failure
            }
        }
    }
    return outputs(inputs.output_file)
}

// The outputs of a run, also of one that failed. They are untrusted, so no shell evaluates the file.
// readProperties is no help, because it interprets backslashes; here, the value is everything after
// the "=".
Map outputs(String file = defaults().output_file) {
    def found = [:]
    if (fileExists(file)) {
        for (line in readFile(file: file, encoding: 'UTF-8').split('\n')) {
            def at = line.indexOf('=')
            if (at > 0) {
                found[line.substring(0, at)] = line.substring(at + 1)
            }
        }
    }
    return found
}

private Map defaults() {
    return [
        // ID of the credential of the kind "Secret text" with the access token.
        credentials: 'opsera-token',
        image: env.OPSERA_IMAGE ?: 'ghcr.io/opsera-step/opsera-step:0.1.0',
        // Path of opsera-step.pyz on the agent, which then needs Python instead of Docker.
        single_file: env.OPSERA_SINGLE_FILE ?: '',
        output_file: env.OPSERA_OUTPUT_FILE ?: 'opsera.env',
    ]
}

// All inputs but the token, which is a credential.
private List inputNames() {
    return [
        'command', 'token_file', 'pipeline', 'run_count', 'branch', 'parameters', 'base_url',
        'portal_url', 'wait', 'timeout', 'on_timeout', 'on_cancel', 'on_paused', 'on_busy', 'reset',
        'logs', 'log_limit', 'timestamps', 'poll_interval', 'verbose', 'output_file', 'report_dir',
        'ca_bundle', 'config',
    ]
}

private void cleanUp() {
    try {
        sh commandLine('cleanup')
    } catch (Exception failure) {
        echo "The run was not cleaned up: ${failure.message}"
    }
}

// Variables without values keep secrets out of the process list. exec lets a build abort reach the
// job. The organization's configuration file, if the agent has one, applies in the container too.
private String commandLine(String command) {
    def options = ''
    for (name in ['token'] + inputNames()) {
        options += " --env OPSERA_${name.toUpperCase()}"
    }
    return """
        set +x
        if [ -n "\$OPSERA_SINGLE_FILE" ]; then
            exec python3 -Iu "\$OPSERA_SINGLE_FILE" ${command}
        fi
        if [ -f /etc/opsera-step.yml ]; then
            set -- --volume /etc/opsera-step.yml:/etc/opsera-step.yml:ro
        fi
        exec docker run --rm --user "\$(id -u):\$(id -g)" \\
            --volume "\$WORKSPACE:\$WORKSPACE" --workdir "\$WORKSPACE" --env WORKSPACE \\
            --env HTTPS_PROXY --env https_proxy --env NO_PROXY --env no_proxy${options} "\$@" "\$OPSERA_IMAGE" ${command}
    """
}
