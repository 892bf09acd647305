//! Every axis along which a plugin can take too much, with a bound that is on by default.

/// The bounds of one plugin. `[limits]` sets them for all plugins, `[plugins.<name>.limits]` for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Wall clock of one call, host calls included. An agent's client gives up after about a minute.
    pub deadline_ms: u64,
    /// CPU of one call. Tools shape text; 20 ms is a busy one in an interpreted language.
    pub cpu_ms: u64,
    /// All linear memories of one instance together.
    pub memory_bytes_max: usize,
    /// Elements of one table. `CPython`, the largest guest we know, has 5,672.
    pub table_elements_max: usize,
    /// Core instances, tables and memories in one component instance: composed guests have several.
    pub core_instances_max: usize,
    /// Calls from the guest into the host. A listing of 10,000 pods takes 40.
    pub host_calls_max: u32,
    /// Bytes that one host call may carry in, and that an export may return, in all strings and
    /// lists together.
    pub host_call_bytes_in_max: usize,
    /// Bytes that one host call may hand to the guest. 250 pods are about 500 KB.
    pub host_call_bytes_out_max: usize,
    /// Text and structured content of one result together. 256 KiB is about 60,000 tokens.
    pub output_bytes_max: usize,
    /// What the guest may write to its log in one call.
    pub log_bytes_max: usize,
    /// Handles to host resources.
    pub handles_max: usize,
    /// Calls of one plugin that run at once.
    pub concurrency_max: usize,
    /// Calls of one plugin that wait for their turn; one more is refused at once.
    pub queue_max: usize,
    /// The size of a component's file. A `CPython` guest has 18 MB.
    pub component_bytes_max: usize,
    /// One function's body: the compiler's time grows with its cube (92 kB took 3.7 CPU s).
    pub function_bytes_max: usize,
    /// CPU of the compiler for one component.
    pub compile_cpu_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline_ms: 30_000,
            cpu_ms: 1_000,
            memory_bytes_max: 64 << 20,
            table_elements_max: 20_000,
            core_instances_max: 64,
            host_calls_max: 256,
            host_call_bytes_in_max: 4 << 20,
            host_call_bytes_out_max: 4 << 20,
            output_bytes_max: 256 << 10,
            log_bytes_max: 64 << 10,
            handles_max: 256,
            concurrency_max: 32,
            queue_max: 64,
            component_bytes_max: 32 << 20,
            function_bytes_max: 96 << 10,
            compile_cpu_s: 60,
        }
    }
}

/// Arguments of one call; the JSON of a request that is larger is refused before it is parsed.
pub const ARGUMENTS_BYTES_MAX: usize = 256 << 10;

/// How deep arguments, results and schemas may nest. Deeper JSON is refused, not parsed.
pub const JSON_DEPTH_MAX: usize = 64;

/// Tools of one plugin.
pub const TOOLS_PER_PLUGIN_MAX: usize = 64;

/// Bytes of one tool's description.
pub const DESCRIPTION_BYTES_MAX: usize = 2_048;

/// Bytes of one tool's title.
pub const TITLE_BYTES_MAX: usize = 128;

/// Bytes of one JSON Schema.
pub const SCHEMA_BYTES_MAX: usize = 16 << 10;

/// Prompts of one plugin: a person picks from a menu.
pub const PROMPTS_PER_PLUGIN_MAX: usize = 32;

/// Arguments of one prompt: a person fills them in by hand.
pub const PROMPT_ARGUMENTS_MAX: usize = 16;

/// Bytes of an argument's description.
pub const ARGUMENT_DESCRIPTION_BYTES_MAX: usize = 512;

/// Characters of one value that a person fills in: a sentence or two.
pub const ARGUMENT_CHARS_MAX: usize = 1_024;

/// Messages of one prompt. A workflow is one message; examples of a dialogue take a few more.
pub const MESSAGES_MAX: usize = 32;

/// Resources and templates of one plugin.
pub const RESOURCES_PER_PLUGIN_MAX: usize = 64;

/// Bytes of a URI or a template: two names of 253 bytes, and room for the rest.
pub const URI_BYTES_MAX: usize = 1_024;

/// Variables of one template.
pub const TEMPLATE_VARIABLES_MAX: usize = 8;

/// Bytes of a variable's value: the longest name in Kubernetes.
pub const VARIABLE_BYTES_MAX: usize = 253;

/// Bytes of a media type.
pub const MIME_TYPE_BYTES_MAX: usize = 128;

/// Values of one completion: the protocol's own bound.
pub const COMPLETIONS_MAX: usize = 100;

/// Bytes of one value of a completion: the longest name in Kubernetes, and a little.
pub const COMPLETION_BYTES_MAX: usize = 256;

/// Values that a completion is given beside the one that is being typed.
pub const GIVEN_MAX: usize = 32;
