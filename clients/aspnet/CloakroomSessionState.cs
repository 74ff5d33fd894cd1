// ASP.NET session state on a Cloakroom host, for <sessionState mode="Custom">. Add this one file to App_Code or to a
// project, or compile it into bin/; README.md beside it has the web.config. It needs C# 5, .NET Framework 4.0 or Mono,
// and references System.Web and System.Configuration.
//
//   SessionStateStore   the store: what the session module calls, as requests to the host's HTTP API
//   SessionIdManager    optional: session IDs from the host's own generator
//   HostConnection      requests to the host: headers, time limits, repeating what may be repeated
//   HttpStream          one kept connection to it
//   StoredSession       the bytes of a session, in the layout of the stock State Server client
//   SessionItems        the items of a session, decoded when they are first touched
//   TypedValue          one value of an item

using System;
using System.Collections;
using System.Collections.Generic;
using System.Collections.Specialized;
using System.Configuration;
using System.Configuration.Provider;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.IO.Compression;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Reflection;
using System.Runtime.Serialization;
using System.Runtime.Serialization.Formatters.Binary;
using System.Security.Authentication;
using System.Text;
using System.Threading;
using System.Web;
using System.Web.Configuration;
using System.Web.Hosting;
using System.Web.SessionState;

namespace Cloakroom
{
    /// <summary>
    /// Keeps sessions on a Cloakroom host. The session module makes one instance for each HttpApplication, so an
    /// instance serves one request at a time; what it remembers between calls is the lock it holds for that request.
    /// A host that cannot be reached is an exception: a session that cannot be read never looks like a new one.
    /// </summary>
    public sealed class SessionStateStore : SessionStateStoreProviderBase
    {
        /// <summary>The longest that one request to the host stands in line for a lock.</summary>
        private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(20);

        private HostConnection host;
        private StoredSession format;
        private bool discardUnreadable;

        /// <summary>How long GetItem and GetItemExclusive stand in line for a lock before they report it.</summary>
        private TimeSpan lockWait;

        /// <summary>Whether a session that is still locked then is reported, for the session module to poll.</summary>
        private bool reportsLocked;

        /// <summary>A lock older than this belongs to a request that is gone, and may be broken.</summary>
        private TimeSpan executionTimeout;

        // The lock that this instance holds: session ID (null for none), lock id, version and timeout of what was read.
        private string heldId;
        private int heldLock;
        private string heldVersion;
        private int heldTimeout;

        /// <summary>The session whose expiry a write of this request has moved already.</summary>
        private string slidId;

        public override void Initialize(string name, NameValueCollection config)
        {
            if (config == null)
                throw new ArgumentNullException("config");
            if (string.IsNullOrEmpty(name))
                name = "Cloakroom";
            if (string.IsNullOrEmpty(config["description"]))
            {
                config.Remove("description");
                config.Add("description", "Sessions on a Cloakroom host");
            }
            base.Initialize(name, config);

            HttpRuntimeSection runtime = (HttpRuntimeSection)WebConfigurationManager.GetSection("system.web/httpRuntime");
            executionTimeout = Shorter(runtime.ExecutionTimeout, TimeSpan.FromDays(1));

            Settings settings = new Settings(config);
            host = new HostConnection(settings);
            format = new StoredSession(
                settings.Take("compression", false), settings.Take("allowObjects", true));
            string unreadable = settings.Take("unreadableData", "throw");
            if (unreadable != "throw" && unreadable != "discard")
                throw settings.Wrong("unreadableData", unreadable, "write \"throw\" or \"discard\"");
            discardUnreadable = unreadable == "discard";
            // Mono's session module blocks the thread while it waits and goes on without a session when it has broken
            // a lock, so there the whole wait happens here. The .NET Framework waits without a thread, polling every
            // half second: there only a short time in line, which is what hands a lock over at once.
            reportsLocked = !Platform.IsMono || !string.IsNullOrEmpty(config["lockWait"]);
            lockWait = settings.TakeSeconds("lockWait",
                reportsLocked ? TimeSpan.FromSeconds(1) : executionTimeout + TimeSpan.FromSeconds(2));
            settings.NothingLeft();
        }

        /// <summary>
        /// False: the provider does not raise Session_End. The host reports ended sessions to its event handlers, once
        /// for a farm; a web server that happened to see a session last may be gone by then.
        /// </summary>
        public override bool SetItemExpireCallback(SessionStateItemExpireCallback expireCallback)
        {
            return false;
        }

        public override void InitializeRequest(HttpContext context)
        {
            slidId = null;
        }

        public override SessionStateStoreData GetItem(
            HttpContext context, string id, out bool locked, out TimeSpan lockAge, out object lockId,
            out SessionStateActions actions)
        {
            return Get(false, context, id, out locked, out lockAge, out lockId, out actions);
        }

        public override SessionStateStoreData GetItemExclusive(
            HttpContext context, string id, out bool locked, out TimeSpan lockAge, out object lockId,
            out SessionStateActions actions)
        {
            return Get(true, context, id, out locked, out lockAge, out lockId, out actions);
        }

        private SessionStateStoreData Get(
            bool exclusive, HttpContext context, string id, out bool locked, out TimeSpan lockAge, out object lockId,
            out SessionStateActions actions)
        {
            locked = false;
            lockAge = TimeSpan.Zero;
            lockId = null;
            actions = SessionStateActions.None;
            // Mono's module asks before it has an ID, and takes every cookie for one.
            if (!HostConnection.CanCarry(id))
                return null;

            HostAnswer answer = GetInLine(exclusive, id);
            if (answer.Is(HttpStatusCode.NotFound))
                return null;
            if (answer.Is(Status.Locked))
            {
                if (!reportsLocked)
                    throw new HttpException(503, string.Format(CultureInfo.InvariantCulture,
                        "The request waited {0} s for its session, which other requests kept locked.",
                        (int)lockWait.TotalSeconds));
                locked = true;
                lockAge = answer.LockAge;
                lockId = answer.LockId;
                return null;
            }
            answer.MustBe(HttpStatusCode.OK);
            if (exclusive)
            {
                heldId = id;
                heldLock = answer.LockId;
                heldVersion = answer.Version;
                lockId = answer.LockId;
            }
            if (answer.IsNew)
                actions = SessionStateActions.InitializeItem;
            SessionStateStoreData data = Read(context, answer, ref actions);
            heldTimeout = data.Timeout;
            return data;
        }

        /// <summary>
        /// Stands in line for as long as `lockWait`, and breaks a lock older than the execution timeout: the request
        /// that took it was ended long ago, or its process died. The answer that reports a lock names it, so that the
        /// release breaks this lock and never a younger one.
        /// </summary>
        private HostAnswer GetInLine(bool exclusive, string id)
        {
            Stopwatch waited = Stopwatch.StartNew();
            // How old the lock is shows in the first answer.
            TimeSpan limit = Shorter(LongestWait, TimeSpan.FromTicks(executionTimeout.Ticks / 2));
            while (true)
            {
                HostRequest request = exclusive
                    ? new HostRequest("get-exclusive", "POST", "/lock", id)
                    : new HostRequest("get", "GET", "", id);
                request.WaitAtMost(Shorter(lockWait - waited.Elapsed, limit));
                HostAnswer answer = host.Send(request);
                if (!answer.Is(Status.Locked))
                    return answer;
                if (answer.LockAge >= executionTimeout)
                    Release(id, answer.LockId);
                else if (request.Wait == TimeSpan.Zero)
                    return answer;
                else
                    limit = Shorter(LongestWait, executionTimeout - answer.LockAge);
            }
        }

        private static TimeSpan Shorter(TimeSpan a, TimeSpan b)
        {
            return a < b ? a : b;
        }

        private SessionStateStoreData Read(HttpContext context, HostAnswer answer, ref SessionStateActions actions)
        {
            try
            {
                SessionStateStoreData data = format.Read(context, answer.ContentType, answer.Body);
                if (answer.TimeoutMinutes > 0)
                    data.Timeout = answer.TimeoutMinutes;
                return data;
            }
            catch (Exception error)
            {
                if (discardUnreadable)
                {
                    Trace.TraceWarning("Cloakroom: a session could not be read and starts again empty: " + error.Message);
                    actions = SessionStateActions.InitializeItem;
                    return format.Empty(context, Math.Max(1, answer.TimeoutMinutes));
                }
                ReleaseHeld();
                throw new ProviderException(
                    host.Where("read") + " gave a session that this application cannot decode: " + error.Message
                    + " Set unreadableData=\"discard\" on the provider to start such sessions again empty.");
            }
        }

        public override void ReleaseItemExclusive(HttpContext context, string id, object lockId)
        {
            int held = LockIdOf(lockId);
            // Mono's module also "releases" what it only read; there is no lock then.
            if (held == 0 || string.IsNullOrEmpty(id))
                return;
            Release(id, held);
            Forget(id, held);
            slidId = id;
        }

        private void Release(string id, int lockId)
        {
            HostRequest request = new HostRequest("release-exclusive", "DELETE", "/lock", id).Locked(lockId);
            host.Send(request).MustBe(
                HttpStatusCode.NoContent, HttpStatusCode.NotFound, HttpStatusCode.Conflict, Status.Locked);
        }

        public override void SetAndReleaseItemExclusive(
            HttpContext context, string id, SessionStateStoreData item, object lockId, bool newItem)
        {
            if (item == null)
                throw new ArgumentNullException("item");
            int held = LockIdOf(lockId);
            bool mine = held != 0 && held == heldLock && id == heldId;
            if (Platform.IsMono)
            {
                // What the .NET module does before it calls, Mono's leaves out: a timeout set by the page counts, a
                // request that failed stores nothing, and neither does one that changed nothing.
                IHttpSessionState state = context == null ? null : SessionStateUtility.GetHttpSessionStateFromContext(context);
                if (state != null)
                    item.Timeout = state.Timeout;
                bool failed = context != null && context.Error != null;
                if (failed || !newItem && mine && IsUnchanged(item))
                {
                    ReleaseItemExclusive(context, id, lockId);
                    return;
                }
            }
            if (!newItem && held == 0)
            {
                Trace.TraceWarning("Cloakroom: a session was not stored, because no lock was held on it.");
                return;
            }

            byte[] body;
            try
            {
                body = format.Write(item);
            }
            catch (Exception)
            {
                if (!newItem)
                    ReleaseItemExclusive(context, id, lockId);
                throw;
            }

            HostRequest request = Put("set-and-release", id, body, item.Timeout);
            HostAnswer answer;
            if (newItem)
            {
                answer = host.Send(request.With("If-None-Match", "*"));
                // The ID was reserved (SessionIdManager, CreateUninitializedItem): version 1 is what nobody has stored
                // to since.
                if (answer.Is(HttpStatusCode.PreconditionFailed))
                    answer = host.Send(Put("set-and-release", id, body, item.Timeout).With("If-Match", "\"v1\""));
            }
            else
            {
                // The version is what makes it safe to repeat the request when its answer was lost, and what stops a
                // request whose lock was broken from overwriting what was stored since.
                request.Locked(held);
                if (mine && heldVersion != null)
                    request.With("If-Match", heldVersion);
                answer = host.Send(request);
            }
            answer.MustBe(
                HttpStatusCode.NoContent, HttpStatusCode.Created, HttpStatusCode.NotFound, HttpStatusCode.Conflict,
                HttpStatusCode.PreconditionFailed, Status.Locked);
            if (answer.Is(HttpStatusCode.NoContent) || answer.Is(HttpStatusCode.Created))
                slidId = id;
            else
                Trace.TraceWarning("Cloakroom: a session was not stored, because another request took it over ({0}).",
                    (int)answer.Code);
            Forget(id, held);
        }

        private bool IsUnchanged(SessionStateStoreData item)
        {
            return !item.Items.Dirty && item.Timeout == heldTimeout
                && (item.StaticObjects == null || item.StaticObjects.NeverAccessed);
        }

        public override void RemoveItem(HttpContext context, string id, object lockId, SessionStateStoreData item)
        {
            if (string.IsNullOrEmpty(id))
                return;
            int held = LockIdOf(lockId);
            HostRequest request = new HostRequest("remove", "DELETE", "", id).Locked(held);
            host.Send(request).MustBe(
                HttpStatusCode.NoContent, HttpStatusCode.NotFound, HttpStatusCode.Conflict, Status.Locked);
            Forget(id, held);
        }

        public override void ResetItemTimeout(HttpContext context, string id)
        {
            // Every write and release moves the expiry too.
            if (string.IsNullOrEmpty(id) || id == slidId)
                return;
            HostRequest request = new HostRequest("reset-timeout", "POST", "/touch", id);
            host.Send(request).MustBe(HttpStatusCode.NoContent, HttpStatusCode.NotFound);
        }

        public override SessionStateStoreData CreateNewStoreData(HttpContext context, int timeout)
        {
            return format.Empty(context, timeout);
        }

        public override void CreateUninitializedItem(HttpContext context, string id, int timeout)
        {
            byte[] body = format.Write(new SessionStateStoreData(new SessionItems(true), null, timeout));
            // An item that exists stays as it is.
            HostRequest request = Put("create-uninitialized", id, body, timeout).With("Session-New", "1");
            host.Send(request).MustBe(HttpStatusCode.NoContent, HttpStatusCode.Created);
        }

        /// <summary>Releases a lock that the request left behind, because it failed between taking and storing.</summary>
        public override void EndRequest(HttpContext context)
        {
            try
            {
                ReleaseHeld();
            }
            catch (ProviderException error)
            {
                // The response is on its way; the lock ends with the execution timeout.
                Trace.TraceWarning("Cloakroom: a lock was left behind: " + error.Message);
            }
        }

        public override void Dispose()
        {
            EndRequest(null);
        }

        private void ReleaseHeld()
        {
            if (heldId == null)
                return;
            string id = heldId;
            heldId = null;
            Release(id, heldLock);
        }

        private void Forget(string id, int lockId)
        {
            if (id == heldId && lockId == heldLock)
                heldId = null;
        }

        private static int LockIdOf(object lockId)
        {
            return lockId is int ? (int)lockId : 0;
        }

        private static HostRequest Put(string operation, string id, byte[] body, int timeoutMinutes)
        {
            return new HostRequest(operation, "PUT", "", id).With(body, timeoutMinutes);
        }
    }

    /// <summary>
    /// Session IDs from the generator that the host has configured for the application: needed where the host rejects
    /// IDs that its generator did not make. An ID is reserved on the host as an uninitialized session, and given back
    /// when the request stores nothing. If the host cannot be reached there is no ID and the request fails: an ID made
    /// here instead would be rejected later. Cookies and cookieless URLs are handled by the framework.
    /// </summary>
    public sealed class SessionIdManager : SessionIDManager, ISessionIDManager
    {
        private HostConnection host;
        private int timeoutMinutes;
        private string reserved;
        private bool reading;

        void ISessionIDManager.Initialize()
        {
            base.Initialize();
            SessionStateSection section = (SessionStateSection)WebConfigurationManager.GetSection("system.web/sessionState");
            ProviderSettings provider = section.Providers[section.CustomProvider];
            if (section.Mode != SessionStateMode.Custom || provider == null)
                throw new ConfigurationErrorsException(
                    "Cloakroom.SessionIdManager asks the host of the session provider for IDs: use it with "
                    + "<sessionState mode=\"Custom\" customProvider=\"...\"> and Cloakroom.SessionStateStore.");
            host = new HostConnection(new Settings(new NameValueCollection(provider.Parameters)));
            timeoutMinutes = Math.Max(1, (int)section.Timeout.TotalMinutes);
        }

        bool ISessionIDManager.InitializeRequest(
            HttpContext context, bool suppressAutoDetectRedirect, out bool supportSessionIDReissue)
        {
            reserved = null;
            return base.InitializeRequest(context, suppressAutoDetectRedirect, out supportSessionIDReissue);
        }

        /// <summary>The ID that the request carries; null if it carries none, or one that cannot be an ID.</summary>
        string ISessionIDManager.GetSessionID(HttpContext context)
        {
            // Frameworks differ in what they do when Validate says no: .NET returns null, Mono throws, even when the
            // request has no ID at all. So the base class accepts everything and the decision is made here.
            reading = true;
            try
            {
                string id = base.GetSessionID(context);
                return IsWellFormed(id) ? id : null;
            }
            catch (HttpException)
            {
                // Longer than SessionIDMaxLength.
                return null;
            }
            finally
            {
                reading = false;
            }
        }

        public override string CreateSessionID(HttpContext context)
        {
            byte[] body = new StoredSession(false, false).Write(
                new SessionStateStoreData(new SessionItems(false), null, timeoutMinutes));
            HostRequest request = new HostRequest("create", "POST", null, null)
                .With(body, timeoutMinutes).With("Session-New", "1");
            HostAnswer answer = host.Send(request);
            answer.MustBe(HttpStatusCode.Created);
            string location = answer.Location ?? "";
            string id = Uri.UnescapeDataString(location.Substring(location.LastIndexOf('/') + 1));
            if (!IsWellFormed(id))
                throw new ProviderException(host.Where("create")
                    + " made a session ID that ASP.NET cannot carry: 1 to " + SessionIDMaxLength
                    + " characters of A-Z a-z 0-9 - . _ ~ are possible. Choose another generator for this application.");
            reserved = id;
            return id;
        }

        public override bool Validate(string id)
        {
            return reading || IsWellFormed(id);
        }

        void ISessionIDManager.SaveSessionID(HttpContext context, string id, out bool redirected, out bool cookieAdded)
        {
            string before = context.Request.Headers["AspFilterSessionId"];
            base.SaveSessionID(context, id, out redirected, out cookieAdded);
            // When the ID in a cookieless URL has expired, Mono redirects to the URL with the old ID again, for ever.
            if (Platform.IsMono && redirected && before != null && context.Response.RedirectLocation != null)
                context.Response.RedirectLocation =
                    context.Response.RedirectLocation.Replace("(" + before + ")", "(" + id + ")");
        }

        /// <summary>Takes the ID back, because the request stored nothing: the host forgets the reservation.</summary>
        void ISessionIDManager.RemoveSessionID(HttpContext context)
        {
            base.RemoveSessionID(context);
            if (reserved == null)
                return;
            string id = reserved;
            reserved = null;
            host.Send(new HostRequest("remove", "DELETE", "", id)).MustBe(
                HttpStatusCode.NoContent, HttpStatusCode.NotFound, Status.Locked);
        }

        private static bool IsWellFormed(string id)
        {
            if (string.IsNullOrEmpty(id) || id.Length > SessionIDMaxLength)
                return false;
            foreach (char c in id)
            {
                bool unreserved = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
                    || c == '-' || c == '.' || c == '_' || c == '~';
                if (!unreserved)
                    return false;
            }
            return true;
        }
    }

    internal static class Platform
    {
        /// <summary>Mono's session module asks more of a store than that of the .NET Framework.</summary>
        internal static readonly bool IsMono = Type.GetType("Mono.Runtime") != null;
    }

    /// <summary>The attributes of the provider's `add` element. Each is taken once; what is left over is a mistake.</summary>
    internal sealed class Settings
    {
        private readonly NameValueCollection attributes;

        internal Settings(NameValueCollection attributes)
        {
            this.attributes = attributes;
        }

        internal string Take(string name, string otherwise)
        {
            string value = attributes[name];
            attributes.Remove(name);
            return string.IsNullOrEmpty(value) ? otherwise : value;
        }

        internal bool Take(string name, bool otherwise)
        {
            string text = Take(name, otherwise ? "true" : "false");
            bool value;
            if (!bool.TryParse(text, out value))
                throw Wrong(name, text, "write \"true\" or \"false\"");
            return value;
        }

        internal TimeSpan TakeSeconds(string name, TimeSpan otherwise)
        {
            string text = Take(name, null);
            if (text == null)
                return otherwise;
            double seconds;
            if (!double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out seconds)
                || seconds > 86400)
                throw Wrong(name, text, "write seconds, 0 to 86400");
            return TimeSpan.FromSeconds(seconds);
        }

        internal Exception Wrong(string name, string value, string remedy)
        {
            return new ConfigurationErrorsException(string.Format(CultureInfo.InvariantCulture,
                "The session provider's attribute {0}=\"{1}\" is not understood; {2}.", name, value, remedy));
        }

        internal void NothingLeft()
        {
            attributes.Remove("description");
            if (attributes.Count > 0)
                throw new ConfigurationErrorsException("The session provider has no attribute \"" + attributes.GetKey(0)
                    + "\"; it has host, applicationName, requestTimeout, retryTimeout, lockWait, compression, "
                    + "allowObjects and unreadableData.");
        }
    }

    internal static class Status
    {
        /// <summary>423: somebody else holds the lock. (RFC 4918; the framework's enumeration lacks it.)</summary>
        internal const HttpStatusCode Locked = (HttpStatusCode)423;
    }

    /// <summary>What is asked of the host.</summary>
    internal sealed class HostRequest
    {
        /// <summary>The operation's name, for messages.</summary>
        internal readonly string Operation;
        internal readonly string Method;
        /// <summary>What follows the session in the path; null for the collection of sessions.</summary>
        internal readonly string Suffix;
        internal readonly string Id;
        internal readonly NameValueCollection Headers = new NameValueCollection();
        internal byte[] Body;
        internal TimeSpan Wait;

        internal HostRequest(string operation, string method, string suffix, string id)
        {
            Operation = operation;
            Method = method;
            Suffix = suffix;
            Id = id;
        }

        internal HostRequest With(string name, string value)
        {
            Headers[name] = value;
            return this;
        }

        internal HostRequest With(byte[] body, int timeoutMinutes)
        {
            Body = body;
            return With("Session-Timeout", (timeoutMinutes * 60L).ToString(CultureInfo.InvariantCulture));
        }

        internal HostRequest Locked(int lockId)
        {
            return lockId == 0 ? this : With("Session-Lock", lockId.ToString(CultureInfo.InvariantCulture));
        }

        /// <summary>Stands in line for a lock. The header counts in whole seconds, so less than half of one is none.</summary>
        internal void WaitAtMost(TimeSpan wait)
        {
            int seconds = (int)Math.Round(wait.TotalSeconds, MidpointRounding.AwayFromZero);
            if (seconds <= 0)
                return;
            Wait = TimeSpan.FromSeconds(seconds);
            With("Prefer", "wait=" + seconds.ToString(CultureInfo.InvariantCulture));
        }
    }

    /// <summary>What the host answered.</summary>
    internal sealed class HostAnswer
    {
        internal readonly HttpStatusCode Code;
        private readonly NameValueCollection headers;
        private readonly byte[] body;
        private readonly string where;

        internal HostAnswer(string where, HttpStatusCode code, NameValueCollection headers, byte[] body)
        {
            this.where = where;
            this.headers = headers;
            this.body = body;
            Code = code;
        }

        internal byte[] Body { get { return body; } }
        internal string ContentType { get { return headers["Content-Type"]; } }
        internal string Location { get { return headers["Location"]; } }
        internal string Version { get { return headers["ETag"]; } }
        internal bool IsNew { get { return headers["Session-New"] == "1"; } }
        internal int LockId { get { return Number("Session-Lock"); } }
        internal TimeSpan LockAge { get { return TimeSpan.FromSeconds(Number("Session-Lock-Age")); } }
        internal int TimeoutMinutes { get { return (Number("Session-Timeout") + 59) / 60; } }

        internal bool Is(HttpStatusCode code)
        {
            // A wrong address gives a 404 too; only this one means that there is no such session.
            if (Code == code && code == HttpStatusCode.NotFound
                && !(IsProblem && Text.Contains("urn:cloakroom:problem:session-not-found")))
                throw Unexpected();
            return Code == code;
        }

        internal void MustBe(params HttpStatusCode[] expected)
        {
            foreach (HttpStatusCode code in expected)
                if (Is(code))
                    return;
            throw Unexpected();
        }

        /// <summary>
        /// Whether the same request may well succeed a little later: the host says so, or a proxy in front of it does
        /// not reach it.
        /// </summary>
        internal bool IsPassing
        {
            get
            {
                return (int)Code >= 502 && (int)Code <= 504 && (headers["Retry-After"] != null || !IsProblem);
            }
        }

        private bool IsProblem
        {
            get { return (ContentType ?? "").StartsWith("application/problem+json", StringComparison.OrdinalIgnoreCase); }
        }

        private string Text { get { return Encoding.UTF8.GetString(body); } }

        private Exception Unexpected()
        {
            string text = IsProblem ? Text : "this does not look like a Cloakroom host";
            return new ProviderException(string.Format(CultureInfo.InvariantCulture, "{0} answered {1}: {2}",
                where, (int)Code, text.Length > 1000 ? text.Substring(0, 1000) : text));
        }

        private int Number(string header)
        {
            string text = headers[header];
            if (text == null)
                return 0;
            int number;
            if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number))
                throw new ProviderException(where + " sent " + header + ": " + text + ", which is not a number.");
            return number;
        }
    }

    /// <summary>
    /// Sends requests to the host. A request that meets no host, or whose connection breaks, is sent again for as long
    /// as `retryTimeout`, which carries the application over a restart of the host. Every request of the store may be
    /// repeated: reads, releases and touches by nature, writes because they name the version that they replace.
    /// </summary>
    internal sealed class HostConnection
    {
        private readonly ConnectionPool pool;
        private readonly string application;
        private readonly string sessions;
        private readonly TimeSpan requestTimeout;
        private readonly TimeSpan retryTimeout;

        internal HostConnection(Settings settings)
        {
            string url = settings.Take("host", "http://127.0.0.1:8642");
            Uri address;
            if (!Uri.TryCreate(url, UriKind.Absolute, out address)
                || address.Scheme != Uri.UriSchemeHttp && address.Scheme != Uri.UriSchemeHttps)
                throw settings.Wrong("host", url, "write a URL such as http://127.0.0.1:8642");
            pool = ConnectionPool.For(address);
            application = settings.Take("applicationName", HostingEnvironment.ApplicationVirtualPath ?? "/");
            sessions = address.AbsolutePath.TrimEnd('/') + "/v1/" + Uri.EscapeDataString(application) + "/sessions";
            requestTimeout = settings.TakeSeconds("requestTimeout", TimeSpan.FromSeconds(10));
            retryTimeout = settings.TakeSeconds("retryTimeout", TimeSpan.FromSeconds(10));
        }

        /// <summary>Names host and operation, to begin a message with.</summary>
        internal string Where(string operation)
        {
            return string.Format(CultureInfo.InvariantCulture, "The Cloakroom host at {0} ({1}, application {2})",
                pool.Authority, operation, application);
        }

        /// <summary>Whether a text can be an ID at all: browsers send what they like.</summary>
        internal static bool CanCarry(string id)
        {
            if (string.IsNullOrEmpty(id))
                return false;
            foreach (char c in id)
                if (char.IsControl(c) || char.IsSurrogate(c))
                    return false;
            return true;
        }

        internal HostAnswer Send(HostRequest request)
        {
            if (request.Id != null && !CanCarry(request.Id))
                throw new ProviderException("A session ID contains control characters; use another session ID manager.");
            byte[] bytes = Encode(request);
            TimeSpan limit = requestTimeout + request.Wait;
            Stopwatch failing = null;
            int pause = 0;
            while (true)
            {
                string failure;
                try
                {
                    HostAnswer answer = SendOnce(request, bytes, limit);
                    if (!answer.IsPassing || failing != null && failing.Elapsed > retryTimeout)
                        return answer;
                    failure = null;
                }
                catch (IOException error)
                {
                    failure = error.Message;
                }
                catch (SocketException error)
                {
                    failure = error.Message;
                }
                // The first time again at once: often only the kept connection was stale.
                if (failing == null)
                    failing = Stopwatch.StartNew();
                // No inner exception: error pages show the innermost, which names neither host nor operation.
                else if (failure != null && failing.Elapsed >= retryTimeout)
                    throw new ProviderException(Where(request.Operation) + " cannot be reached: " + failure
                        + " Check that it runs and that the provider's attribute host is right.");
                Thread.Sleep(pause);
                pause = Math.Min(2 * pause + 25, 400);
            }
        }

        private HostAnswer SendOnce(HostRequest request, byte[] bytes, TimeSpan limit)
        {
            HttpStream connection = pool.Take(limit);
            bool reusable = false;
            try
            {
                connection.Write(bytes, limit);
                NameValueCollection headers;
                byte[] body;
                int status = connection.Read(out headers, out body, out reusable);
                return new HostAnswer(Where(request.Operation), (HttpStatusCode)status, headers, body);
            }
            finally
            {
                if (reusable)
                    pool.PutBack(connection);
                else
                    connection.Dispose();
            }
        }

        private byte[] Encode(HostRequest request)
        {
            StringBuilder head = new StringBuilder(256);
            // The ID travels in a header, so that it does not end up in the access logs of proxies.
            head.Append(request.Method).Append(' ').Append(sessions);
            if (request.Suffix != null)
                head.Append("/-").Append(request.Suffix);
            head.Append(" HTTP/1.1\r\nHost: ").Append(pool.Authority).Append("\r\n");
            if (request.Id != null)
                head.Append("Session-Id: ").Append(Uri.EscapeDataString(request.Id)).Append("\r\n");
            foreach (string name in request.Headers)
                head.Append(name).Append(": ").Append(request.Headers[name]).Append("\r\n");
            if (request.Body != null)
                head.Append("Content-Type: ").Append(StoredSession.MediaType).Append("\r\n");
            int length = request.Body == null ? 0 : request.Body.Length;
            if (request.Method != "GET")
                head.Append("Content-Length: ").Append(length.ToString(CultureInfo.InvariantCulture)).Append("\r\n");
            byte[] first = Encoding.ASCII.GetBytes(head.Append("\r\n").ToString());
            byte[] all = new byte[first.Length + length];
            first.CopyTo(all, 0);
            if (length > 0)
                request.Body.CopyTo(all, first.Length);
            return all;
        }
    }

    /// <summary>
    /// The idle connections to one host, the last used first, shared by all applications of the process. There is no
    /// limit on the number in use: requests that stand in line for a lock each hold one, and the request that will
    /// release the lock must always get another.
    /// </summary>
    internal sealed class ConnectionPool
    {
        private static readonly TimeSpan LongestIdle = TimeSpan.FromSeconds(30);
        private static readonly Dictionary<string, ConnectionPool> Pools = new Dictionary<string, ConnectionPool>();

        internal readonly string Authority;
        private readonly Uri address;
        private readonly LinkedList<HttpStream> idle = new LinkedList<HttpStream>();

        private ConnectionPool(Uri address)
        {
            this.address = address;
            Authority = address.Authority;
        }

        internal static ConnectionPool For(Uri address)
        {
            string key = address.GetLeftPart(UriPartial.Authority);
            lock (Pools)
            {
                ConnectionPool pool;
                if (!Pools.TryGetValue(key, out pool))
                    Pools.Add(key, pool = new ConnectionPool(address));
                return pool;
            }
        }

        internal HttpStream Take(TimeSpan limit)
        {
            while (true)
            {
                HttpStream connection;
                lock (idle)
                {
                    if (idle.Count == 0)
                        break;
                    connection = idle.First.Value;
                    idle.RemoveFirst();
                }
                if (connection.IsUsable)
                    return connection;
                connection.Dispose();
            }
            return new HttpStream(address, limit);
        }

        internal void PutBack(HttpStream connection)
        {
            List<HttpStream> old = new List<HttpStream>();
            lock (idle)
            {
                idle.AddFirst(connection);
                while (idle.Last.Value.IdleFor > LongestIdle)
                {
                    old.Add(idle.Last.Value);
                    idle.RemoveLast();
                }
            }
            foreach (HttpStream unused in old)
                unused.Dispose();
        }
    }

    /// <summary>
    /// One connection, with as much of HTTP/1.1 as a client of one known server needs. The framework's HttpWebRequest
    /// is not used, because on Mono its synchronous calls need a free thread of the pool to end: a site whose threads
    /// all stand in line for a lock then waits for itself until the time limits end it.
    /// </summary>
    internal sealed class HttpStream : IDisposable
    {
        private const int LongestHead = 65536;

        private readonly Socket socket;
        private readonly Stream stream;
        private readonly byte[] buffer = new byte[8192];
        private int position;
        private int filled;
        private Stopwatch idleSince = Stopwatch.StartNew();

        internal HttpStream(Uri address, TimeSpan limit)
        {
            IPAddress[] addresses = Dns.GetHostAddresses(address.DnsSafeHost);
            for (int i = 0; socket == null; i++)
            {
                if (i == addresses.Length)
                    throw new SocketException((int)SocketError.HostNotFound);
                try
                {
                    socket = Connect(new IPEndPoint(addresses[i], address.Port), limit);
                }
                catch (SocketException)
                {
                    if (i == addresses.Length - 1)
                        throw;
                }
            }
            stream = new NetworkStream(socket, true);
            if (address.Scheme == Uri.UriSchemeHttps)
            {
                SetLimit(limit);
                SslStream secure = new SslStream(stream, false);
                stream = secure;
                try
                {
                    secure.AuthenticateAsClient(address.Host);
                }
                catch (AuthenticationException error)
                {
                    Dispose();
                    throw new ProviderException("The certificate of the Cloakroom host at " + address.Authority
                        + " is not accepted: " + error.Message);
                }
            }
        }

        private static Socket Connect(IPEndPoint endPoint, TimeSpan limit)
        {
            Socket socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                socket.NoDelay = true;
                socket.Blocking = false;
                try
                {
                    socket.Connect(endPoint);
                }
                catch (SocketException error)
                {
                    if (error.SocketErrorCode != SocketError.WouldBlock && error.SocketErrorCode != SocketError.InProgress)
                        throw;
                    if (!socket.Poll((int)Math.Min(limit.TotalMilliseconds * 1000, int.MaxValue), SelectMode.SelectWrite))
                        throw new SocketException((int)SocketError.TimedOut);
                    int code = (int)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error);
                    if (code != 0)
                        throw new SocketException(code);
                }
                socket.Blocking = true;
                return socket;
            }
            catch (Exception)
            {
                socket.Close();
                throw;
            }
        }

        internal TimeSpan IdleFor { get { return idleSince.Elapsed; } }

        /// <summary>False when the host has closed it, or has sent something that nobody asked for.</summary>
        internal bool IsUsable
        {
            get { return position == filled && !socket.Poll(0, SelectMode.SelectRead); }
        }

        public void Dispose()
        {
            stream.Dispose();
        }

        private void SetLimit(TimeSpan limit)
        {
            int milliseconds = (int)Math.Max(1, limit.TotalMilliseconds);
            socket.SendTimeout = milliseconds;
            socket.ReceiveTimeout = milliseconds;
        }

        internal void Write(byte[] request, TimeSpan limit)
        {
            SetLimit(limit);
            stream.Write(request, 0, request.Length);
            stream.Flush();
        }

        /// <summary>Reads an answer; returns its status code.</summary>
        internal int Read(out NameValueCollection headers, out byte[] body, out bool reusable)
        {
            int status;
            string version;
            do
            {
                int size = 0;
                string[] parts = ReadLine(ref size).Split(new[] { ' ' }, 3);
                version = parts[0];
                if (parts.Length < 2 || !version.StartsWith("HTTP/1.", StringComparison.Ordinal)
                    || !int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out status))
                    throw new IOException("It does not speak HTTP/1.1.");
                headers = ReadHeaders(ref size);
            }
            while (status < 200);

            string connection = headers["Connection"] ?? "";
            reusable = version == "HTTP/1.1" && connection.IndexOf("close", StringComparison.OrdinalIgnoreCase) < 0;
            string coding = headers["Transfer-Encoding"];
            string length = headers["Content-Length"];
            if (status == 204 || status == 304)
                body = new byte[0];
            else if (coding != null)
                body = ReadChunks(coding);
            else if (length != null)
                body = ReadBytes(ParseLength(length, NumberStyles.None));
            else
            {
                body = ReadToEnd();
                reusable = false;
            }
            idleSince = Stopwatch.StartNew();
            return status;
        }

        private NameValueCollection ReadHeaders(ref int size)
        {
            NameValueCollection headers = new NameValueCollection(StringComparer.OrdinalIgnoreCase);
            while (true)
            {
                string line = ReadLine(ref size);
                if (line.Length == 0)
                    return headers;
                int colon = line.IndexOf(':');
                if (colon <= 0)
                    throw new IOException("It sent a header line without a name.");
                headers.Add(line.Substring(0, colon), line.Substring(colon + 1).Trim());
            }
        }

        private byte[] ReadChunks(string coding)
        {
            if (!coding.Equals("chunked", StringComparison.OrdinalIgnoreCase))
                throw new IOException("It used the transfer coding " + coding + ", which is not supported.");
            MemoryStream body = new MemoryStream();
            int size = 0;
            while (true)
            {
                int length = ParseLength(ReadLine(ref size).Split(';')[0].Trim(), NumberStyles.AllowHexSpecifier);
                if (length == 0)
                    break;
                byte[] chunk = ReadBytes(length);
                body.Write(chunk, 0, chunk.Length);
                size = 0;
                ReadLine(ref size);
            }
            ReadHeaders(ref size);
            return body.ToArray();
        }

        private static int ParseLength(string text, NumberStyles style)
        {
            int length;
            if (!int.TryParse(text, style, CultureInfo.InvariantCulture, out length) || length < 0)
                throw new IOException("It sent the length " + text + ", which is not possible.");
            return length;
        }

        private byte[] ReadToEnd()
        {
            MemoryStream body = new MemoryStream();
            body.Write(buffer, position, filled - position);
            position = filled;
            stream.CopyTo(body);
            return body.ToArray();
        }

        private byte[] ReadBytes(int length)
        {
            byte[] bytes = new byte[length];
            int done = Math.Min(length, filled - position);
            Buffer.BlockCopy(buffer, position, bytes, 0, done);
            position += done;
            while (done < length)
            {
                int read = stream.Read(bytes, done, length - done);
                if (read == 0)
                    throw new EndOfStreamException("It broke off its answer.");
                done += read;
            }
            return bytes;
        }

        private string ReadLine(ref int size)
        {
            StringBuilder line = new StringBuilder(64);
            while (true)
            {
                if (position == filled)
                {
                    filled = stream.Read(buffer, 0, buffer.Length);
                    position = 0;
                    if (filled == 0)
                        throw new EndOfStreamException("It closed the connection instead of answering.");
                }
                char c = (char)buffer[position++];
                if (++size > LongestHead)
                    throw new IOException("It sent more than " + LongestHead + " bytes of headers.");
                if (c != '\n')
                    line.Append(c);
                else
                    return line.Length > 0 && line[line.Length - 1] == '\r'
                        ? line.ToString(0, line.Length - 1) : line.ToString();
            }
        }
    }

    /// <summary>
    /// The bytes of a session, in the layout of the stock State Server client: timeout in minutes, whether items and
    /// static objects follow, those, 0xFF. So applications that use mode="StateServer" on the same host can share
    /// sessions with those that use this file. Written compressed (deflate) if told so; read either way.
    /// </summary>
    internal sealed class StoredSession
    {
        internal const string MediaType = "application/x-aspnet-session";
        private const byte End = 0xFF;

        private readonly bool compression;
        private readonly bool allowObjects;

        internal StoredSession(bool compression, bool allowObjects)
        {
            this.compression = compression;
            this.allowObjects = allowObjects;
        }

        internal SessionStateStoreData Empty(HttpContext context, int timeoutMinutes)
        {
            return new SessionStateStoreData(new SessionItems(allowObjects), StaticObjects(context), timeoutMinutes);
        }

        private static HttpStaticObjectsCollection StaticObjects(HttpContext context)
        {
            return context == null ? null : SessionStateUtility.GetSessionStaticObjects(context);
        }

        internal byte[] Write(SessionStateStoreData data)
        {
            bool hasItems = data.Items != null && data.Items.Count > 0;
            bool hasStaticObjects = data.StaticObjects != null && !data.StaticObjects.NeverAccessed;
            if (hasStaticObjects && !allowObjects)
                throw TypedValue.Refused("static objects");
            MemoryStream block = new MemoryStream();
            BinaryWriter writer = new BinaryWriter(block);
            writer.Write(data.Timeout);
            writer.Write(hasItems);
            writer.Write(hasStaticObjects);
            if (hasItems)
                SessionItems.Write(data.Items, writer, allowObjects);
            if (hasStaticObjects)
                data.StaticObjects.Serialize(writer);
            writer.Write(End);
            writer.Flush();
            return compression ? Deflate(block) : block.ToArray();
        }

        internal SessionStateStoreData Read(HttpContext context, string mediaType, byte[] bytes)
        {
            string type = (mediaType ?? "").Split(';')[0].Trim();
            if (type.Length > 0 && type != MediaType && type != "application/octet-stream")
                throw new InvalidDataException("Its content type is " + type + ", so it was not stored by ASP.NET.");
            if (bytes.Length == 0)
                return Empty(context, 1);
            // Nothing marks a compressed session; a plain one is recognised by its frame.
            return IsPlain(bytes) ? ReadPlain(context, bytes) : ReadPlain(context, Inflate(bytes));
        }

        private static bool IsPlain(byte[] bytes)
        {
            return bytes.Length >= 7 && bytes[4] <= 1 && bytes[5] <= 1 && bytes[bytes.Length - 1] == End;
        }

        private SessionStateStoreData ReadPlain(HttpContext context, byte[] bytes)
        {
            if (!IsPlain(bytes))
                throw new InvalidDataException("It is not framed as ASP.NET frames sessions.");
            MemoryStream block = new MemoryStream(bytes, 0, bytes.Length, false, true);
            BinaryReader reader = new BinaryReader(block);
            int timeoutMinutes = reader.ReadInt32();
            bool hasItems = reader.ReadBoolean();
            bool hasStaticObjects = reader.ReadBoolean();
            SessionItems items = hasItems ? SessionItems.Read(reader, bytes, allowObjects) : new SessionItems(allowObjects);
            HttpStaticObjectsCollection staticObjects = StaticObjects(context);
            if (hasStaticObjects)
            {
                if (!allowObjects)
                    throw TypedValue.Refused("static objects");
                staticObjects = HttpStaticObjectsCollection.Deserialize(reader);
            }
            if (block.Position != bytes.Length - 1)
                throw new InvalidDataException("It is not as long as its parts say.");
            return new SessionStateStoreData(items, staticObjects, Math.Max(1, timeoutMinutes));
        }

        private static byte[] Deflate(MemoryStream block)
        {
            MemoryStream output = new MemoryStream();
            using (DeflateStream deflate = new DeflateStream(output, CompressionMode.Compress, true))
                block.WriteTo(deflate);
            // The stock client puts one more byte behind the compressed ones.
            output.WriteByte(End);
            return output.ToArray();
        }

        private static byte[] Inflate(byte[] bytes)
        {
            MemoryStream block = new MemoryStream();
            using (DeflateStream inflate = new DeflateStream(new MemoryStream(bytes), CompressionMode.Decompress))
                inflate.CopyTo(block);
            return block.ToArray();
        }
    }

    /// <summary>
    /// The items of a session. A value is decoded when it is first read, and a value that was not read, or that cannot
    /// change, is stored again byte for byte: applications can share a session although each knows only its own types.
    /// Reading a value that could be changed in place makes the collection dirty, as in the framework's own.
    /// </summary>
    internal sealed class SessionItems : NameObjectCollectionBase, ISessionStateItemCollection
    {
        private readonly bool allowObjects;

        internal SessionItems(bool allowObjects)
            : base(StringComparer.InvariantCultureIgnoreCase)
        {
            this.allowObjects = allowObjects;
        }

        public bool Dirty { get; set; }

        public object this[string name]
        {
            get { return Value((Entry)BaseGet(name)); }
            set { BaseSet(name, new Entry(value)); Dirty = true; }
        }

        public object this[int index]
        {
            get { return Value((Entry)BaseGet(index)); }
            set { BaseSet(index, new Entry(value)); Dirty = true; }
        }

        public void Remove(string name)
        {
            BaseRemove(name);
            Dirty = true;
        }

        public void RemoveAt(int index)
        {
            BaseRemoveAt(index);
            Dirty = true;
        }

        public void Clear()
        {
            BaseClear();
            Dirty = true;
        }

        private object Value(Entry entry)
        {
            if (entry == null)
                return null;
            object value = entry.Decode(allowObjects);
            if (!TypedValue.CannotChange(value))
                Dirty = true;
            return value;
        }

        /// <summary>
        /// Count, index of the null key, the other keys, where each value ends, the values.
        /// </summary>
        internal static void Write(ISessionStateItemCollection items, BinaryWriter writer, bool allowObjects)
        {
            int count = items.Count;
            string[] keys = new string[count];
            for (int i = 0; i < count; i++)
                keys[i] = items.Keys[i];
            writer.Write(count);
            writer.Write(Array.IndexOf(keys, null));
            foreach (string key in keys)
                if (key != null)
                    writer.Write(key);

            SessionItems own = items as SessionItems;
            int[] ends = new int[count];
            MemoryStream values = new MemoryStream();
            BinaryWriter valueWriter = new BinaryWriter(values);
            for (int i = 0; i < count; i++)
            {
                if (own != null)
                    ((Entry)own.BaseGet(i)).Write(valueWriter, allowObjects);
                else
                    TypedValue.Write(valueWriter, items[i], allowObjects);
                valueWriter.Flush();
                ends[i] = (int)values.Length;
            }
            foreach (int end in ends)
                writer.Write(end);
            writer.Flush();
            values.WriteTo(writer.BaseStream);
        }

        internal static SessionItems Read(BinaryReader reader, byte[] block, bool allowObjects)
        {
            SessionItems items = new SessionItems(allowObjects);
            int count = reader.ReadInt32();
            if (count == 0)
                return items;
            if (count < 0 || count > block.Length / 5)
                throw new InvalidDataException("It says that it has " + count + " items.");
            int nullKey = reader.ReadInt32();
            string[] keys = new string[count];
            for (int i = 0; i < count; i++)
                if (i != nullKey)
                    keys[i] = reader.ReadString();
            int[] ends = new int[count];
            for (int i = 0; i < count; i++)
                ends[i] = reader.ReadInt32();
            int first = (int)reader.BaseStream.Position;
            int start = 0;
            for (int i = 0; i < count; i++)
            {
                if (ends[i] <= start || ends[i] > block.Length - first)
                    throw new InvalidDataException("Its items do not fit into it.");
                items.BaseAdd(keys[i], new Entry(block, first + start, ends[i] - start));
                start = ends[i];
            }
            reader.BaseStream.Position = first + start;
            return items;
        }

        /// <summary>A value: as it was read, decoded, or both. Changed in place, so that enumerations stay valid.</summary>
        private sealed class Entry
        {
            private byte[] block;
            private readonly int offset;
            private readonly int length;
            private object value;
            private bool decoded;

            internal Entry(object value)
            {
                this.value = value;
                decoded = true;
            }

            internal Entry(byte[] block, int offset, int length)
            {
                this.block = block;
                this.offset = offset;
                this.length = length;
            }

            internal object Decode(bool allowObjects)
            {
                if (!decoded)
                {
                    value = TypedValue.Read(block, offset, length, allowObjects);
                    decoded = true;
                    if (!TypedValue.CannotChange(value))
                        block = null;
                }
                return value;
            }

            internal void Write(BinaryWriter writer, bool allowObjects)
            {
                if (block != null)
                    writer.Write(block, offset, length);
                else
                    TypedValue.Write(writer, value, allowObjects);
            }
        }
    }

    /// <summary>
    /// One value: a byte that names the type, then the value. Twenty types have codes of their own; all others are
    /// written by BinaryFormatter, as the framework does. Whoever can store such a value in the session can run code
    /// in the application that reads it, so `allowObjects="false"` refuses them in both directions.
    /// </summary>
    internal static class TypedValue
    {
        private enum Code : byte
        {
            String = 1, Int32, Boolean, DateTime, Decimal, Byte, Char, Single, Double, SByte, Int16, Int64, UInt16,
            UInt32, UInt64, TimeSpan, Guid, IntPtr, UIntPtr, Object, Null
        }

        private static readonly Dictionary<Type, Code> Codes = new Dictionary<Type, Code>
        {
            { typeof(string), Code.String }, { typeof(int), Code.Int32 }, { typeof(bool), Code.Boolean },
            { typeof(DateTime), Code.DateTime }, { typeof(decimal), Code.Decimal }, { typeof(byte), Code.Byte },
            { typeof(char), Code.Char }, { typeof(float), Code.Single }, { typeof(double), Code.Double },
            { typeof(sbyte), Code.SByte }, { typeof(short), Code.Int16 }, { typeof(long), Code.Int64 },
            { typeof(ushort), Code.UInt16 }, { typeof(uint), Code.UInt32 }, { typeof(ulong), Code.UInt64 },
            { typeof(TimeSpan), Code.TimeSpan }, { typeof(Guid), Code.Guid }, { typeof(IntPtr), Code.IntPtr },
            { typeof(UIntPtr), Code.UIntPtr }
        };

        internal static bool CannotChange(object value)
        {
            return value == null || Codes.ContainsKey(value.GetType());
        }

        internal static Exception Refused(string what)
        {
            return new InvalidOperationException("The session contains " + what
                + ", and the provider's attribute allowObjects=\"false\" refuses what BinaryFormatter reads and writes.");
        }

        internal static void Write(BinaryWriter writer, object value, bool allowObjects)
        {
            Code code = Code.Null;
            if (value != null && !Codes.TryGetValue(value.GetType(), out code))
                code = Code.Object;
            if (code == Code.Object && !allowObjects)
                throw Refused("a " + value.GetType().FullName);
            writer.Write((byte)code);
            switch (code)
            {
                case Code.String: writer.Write((string)value); break;
                case Code.Int32: writer.Write((int)value); break;
                case Code.Boolean: writer.Write((bool)value); break;
                case Code.DateTime: writer.Write(((DateTime)value).Ticks); break;
                case Code.Decimal:
                    foreach (int part in decimal.GetBits((decimal)value))
                        writer.Write(part);
                    break;
                case Code.Byte: writer.Write((byte)value); break;
                case Code.Char: writer.Write((char)value); break;
                case Code.Single: writer.Write((float)value); break;
                case Code.Double: writer.Write((double)value); break;
                case Code.SByte: writer.Write((sbyte)value); break;
                case Code.Int16: writer.Write((short)value); break;
                case Code.Int64: writer.Write((long)value); break;
                case Code.UInt16: writer.Write((ushort)value); break;
                case Code.UInt32: writer.Write((uint)value); break;
                case Code.UInt64: writer.Write((ulong)value); break;
                case Code.TimeSpan: writer.Write(((TimeSpan)value).Ticks); break;
                case Code.Guid: writer.Write(((Guid)value).ToByteArray()); break;
                case Code.IntPtr:
                    if (IntPtr.Size == 4) writer.Write(((IntPtr)value).ToInt32());
                    else writer.Write(((IntPtr)value).ToInt64());
                    break;
                case Code.UIntPtr:
                    if (UIntPtr.Size == 4) writer.Write(((UIntPtr)value).ToUInt32());
                    else writer.Write(((UIntPtr)value).ToUInt64());
                    break;
                case Code.Object:
                    writer.Flush();
                    Formatter().Serialize(writer.BaseStream, value);
                    break;
            }
        }

        internal static object Read(byte[] block, int offset, int length, bool allowObjects)
        {
            MemoryStream stream = new MemoryStream(block, offset, length, false);
            BinaryReader reader = new BinaryReader(stream);
            object value = Read(reader, allowObjects);
            if (stream.Position != length)
                throw new InvalidDataException("A value is longer than its type.");
            return value;
        }

        private static object Read(BinaryReader reader, bool allowObjects)
        {
            Code code = (Code)reader.ReadByte();
            switch (code)
            {
                case Code.String: return reader.ReadString();
                case Code.Int32: return reader.ReadInt32();
                case Code.Boolean: return reader.ReadBoolean();
                case Code.DateTime: return new DateTime(reader.ReadInt64());
                case Code.Decimal:
                    int low = reader.ReadInt32(), middle = reader.ReadInt32(), high = reader.ReadInt32();
                    return new decimal(new[] { low, middle, high, reader.ReadInt32() });
                case Code.Byte: return reader.ReadByte();
                case Code.Char: return reader.ReadChar();
                case Code.Single: return reader.ReadSingle();
                case Code.Double: return reader.ReadDouble();
                case Code.SByte: return reader.ReadSByte();
                case Code.Int16: return reader.ReadInt16();
                case Code.Int64: return reader.ReadInt64();
                case Code.UInt16: return reader.ReadUInt16();
                case Code.UInt32: return reader.ReadUInt32();
                case Code.UInt64: return reader.ReadUInt64();
                case Code.TimeSpan: return new TimeSpan(reader.ReadInt64());
                case Code.Guid: return new Guid(reader.ReadBytes(16));
                case Code.IntPtr: return IntPtr.Size == 4 ? new IntPtr(reader.ReadInt32()) : new IntPtr(reader.ReadInt64());
                case Code.UIntPtr:
                    return UIntPtr.Size == 4 ? new UIntPtr(reader.ReadUInt32()) : new UIntPtr(reader.ReadUInt64());
                case Code.Object:
                    if (!allowObjects)
                        throw Refused("an object");
                    return Formatter().Deserialize(reader.BaseStream);
                case Code.Null: return null;
                default: throw new InvalidDataException("A value has the unknown type " + (int)code + ".");
            }
        }

        /// <summary>What the application sets in .NET 4.0 and later to serialize types of its own; Mono lacks it.</summary>
        private static readonly PropertyInfo SurrogateSelector =
            typeof(SessionStateUtility).GetProperty("SerializationSurrogateSelector");

        private static BinaryFormatter Formatter()
        {
            BinaryFormatter formatter = new BinaryFormatter();
            if (SurrogateSelector != null)
                formatter.SurrogateSelector = (ISurrogateSelector)SurrogateSelector.GetValue(null, null);
            return formatter;
        }
    }
}
