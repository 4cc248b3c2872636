// Enough of Jenkins to execute a declarative Jenkinsfile: its steps are real, its `sh` runs.
// A directive or a step that is not here fails, as an unknown one does in Jenkins.
class Aborted extends Exception {}

@interface Library { String[] value() }

// A script of a shared library, which sees the steps.
abstract class LibraryScript extends Script {
    JenkinsSteps steps

    def methodMissing(String name, arguments) { steps.invokeMethod(name, arguments) }
    def propertyMissing(String name) { steps.getProperty(name) }
}

abstract class JenkinsSteps extends Script {
    Map env = [:]
    Map currentBuild = [result: 'SUCCESS', description: null]
    Map<String, String> bound = [:]
    Map<String, Closure> after = [:]
    File workspace
    // The scripts in `vars` of the shared libraries that the Jenkinsfile names.
    static Map<String, Script> libraries = [:]

    def pipeline(Closure body) {
        workspace = new File(System.getenv('WORKSPACE'))
        env = new LinkedHashMap(System.getenv())
        within(body)
        def kind = currentBuild.result.toLowerCase()
        ['always', kind, 'cleanup'].each { if (after[it]) within(after[it]) }
        println "Finished: ${currentBuild.result}; description: ${currentBuild.description}"
        System.exit(currentBuild.result == 'SUCCESS' ? 0 : 1)
    }

    def agent(Closure body) { within(body) }
    def agent(String kind) { assert kind in ['none', 'any'] }
    def label(String name) { }
    def options(Closure body) { within(body) }
    def disableConcurrentBuilds() { }
    def timeout(Map limit) { assert limit.time && limit.unit }
    def timeout(Map limit, Closure body) { within(body) }
    def stages(Closure body) {
        // `post` stands below the stages: it is read, and run, whatever became of them.
        try {
            within(body)
        } catch (Aborted aborted) {
            currentBuild.result = 'ABORTED'
        } catch (Exception failure) {
            println "ERROR: ${failure.message}"
            currentBuild.result = 'FAILURE'
        }
    }
    def steps(Closure body) { within(body) }
    def script(Closure body) { within(body) }
    def stage(String name, Closure body) { println "[stage] $name"; within(body) }
    def parallel(Map branches) {
        branches.each { name, body -> println "[branch] $name"; within(body) }
    }

    def environment(Closure body) {
        // What the test sets goes first.
        body.delegate = new Expando() {
            void setProperty(String name, Object value) { env.putIfAbsent(name, value.toString()) }
        }
        body.resolveStrategy = Closure.DELEGATE_FIRST
        body()
    }

    def post(Closure body) { within(body) }
    def always(Closure body) { after.always = body }
    def aborted(Closure body) { after.aborted = body }
    def failure(Closure body) { after.failure = body }
    def success(Closure body) { after.success = body }
    def cleanup(Closure body) { after.cleanup = body }

    def string(Map binding) { binding }
    def withCredentials(List bindings, Closure body) {
        def before = new LinkedHashMap(bound)
        bindings.each {
            // No hyphens: a shell drops variables that have them.
            def value = System.getenv('CREDENTIAL_' + it.credentialsId.replace('-', '_'))
            assert value : "there are no credentials ${it.credentialsId}"
            bound[it.variable] = value
        }
        try { return body() } finally { bound = before }
    }
    def withEnv(List<String> pairs, Closure body) {
        def before = new LinkedHashMap(env)
        pairs.each { def (name, value) = it.split('=', 2); env[name] = value }
        try { return body() } finally { env = before }
    }

    def sh(Map arguments) { sh(arguments.script, arguments.returnStatus ?: false) }
    def sh(String text, boolean returnStatus = false) {
        def process = new ProcessBuilder('sh', '-xe', '-c', text)
        process.directory(workspace).inheritIO().redirectInput(new File('/dev/null'))
        process.environment().clear()
        process.environment().putAll(env.collectEntries { k, v -> [k, v.toString()] })
        process.environment().putAll(bound)
        // By this, an abort finds all processes of the step (durable-task's BourneShellScript).
        process.environment().put('JENKINS_SERVER_COOKIE', "durable-${UUID.randomUUID()}".toString())
        def code = process.start().waitFor()
        if (returnStatus) return code
        // As if the build had been aborted in Jenkins: what it ran was killed.
        if (code in [130, 137, 143]) throw new Aborted()
        if (code) throw new Exception("script returned exit code $code")
    }

    def input(Map prompt) { assert prompt.message && prompt.submitter; println "[input] ${prompt.message}" }
    def echo(String text) { println text }
    def fileExists(String name) { new File(workspace, name).exists() }
    def readFile(Map arguments) { new File(workspace, arguments.file).getText(arguments.encoding) }
    def readJSON(Map arguments) { throw new Exception('needs a plugin that not everybody has') }
    def readProperties(Map arguments) { throw new Exception('unescapes what has no escapes') }
    def error(String text) { throw new Exception(text) }
    def archiveArtifacts(Map arguments) {
        def found = new File(workspace, arguments.artifacts.split('/')[0])
        assert found.exists() || arguments.allowEmptyArchive
        println "archived: ${found.exists() ? found.list().sort() : []}"
    }
    def junit(Map arguments) {
        def file = new File(workspace, arguments.testResults)
        assert file.exists() || arguments.allowEmptyResults
        if (!file.exists()) return
        def builder = javax.xml.parsers.DocumentBuilderFactory.newInstance().newDocumentBuilder()
        def found = builder.parse(file)
        def cases = found.getElementsByTagName('testcase')
        def bad = found.getElementsByTagName('failure').length
        bad += found.getElementsByTagName('error').length
        println "junit: ${cases.length} tests, $bad failed"
        if (bad && currentBuild.result == 'SUCCESS') currentBuild.result = 'UNSTABLE'
    }

    def within(Closure body) {
        body.delegate = this
        body.resolveStrategy = Closure.DELEGATE_FIRST
        body()
    }

    def methodMissing(String name, arguments) {
        if (!libraries.containsKey(name)) {
            throw new MissingMethodException(name, this.class, arguments)
        }
        library(name).invokeMethod('call', arguments)
    }
    def library(String name) {
        // Assigning the property of a script would set a variable of its binding.
        libraries[name].setSteps(this)
        return libraries[name]
    }

    def propertyMissing(String name) {
        if (libraries.containsKey(name)) return library(name)
        if (name == 'none' || name == 'any') return name
        if (env.containsKey(name)) return env[name]
        throw new MissingPropertyException(name, this.class)
    }
}

def shell(String base) {
    def configuration = new org.codehaus.groovy.control.CompilerConfiguration()
    configuration.scriptBaseClass = base
    return new GroovyShell(this.class.classLoader, new Binding(), configuration)
}

// The Jenkinsfile, and the directory of the library opsera-step.
def (file, directory) = args.collect { new File(it) }
if (file.text =~ /(?m)^@Library\('opsera-step@v[\d.]+'\) _$/) {
    new File(directory, 'vars').eachFile {
        JenkinsSteps.libraries[it.name - '.groovy'] = shell('LibraryScript').parse(it)
    }
}
shell('JenkinsSteps').evaluate(file)
