// Answers what .NET's strings do: a line "OPERATION TEXT [ARGUMENT]" in Base64 (UTF-16) each, a
// line of Base64 back.
using System;
using System.IO;
using System.Text;

class Driver
{
    static string Read(string word) => Encoding.Unicode.GetString(Convert.FromBase64String(word));

    static string Do(string operation, string text, string argument)
    {
        switch (operation)
        {
            case "index_of": return text.IndexOf(argument).ToString();
            case "starts_with": return text.StartsWith(argument).ToString();
            case "white_space": return char.IsWhiteSpace(text[0]).ToString();
            case "split":
                return string.Join("\n", text.Split(new[] { '=' }, 2, StringSplitOptions.RemoveEmptyEntries));
            case "read_lines":
                var lines = new StringBuilder();
                var reader = new StringReader(text);
                for (var line = reader.ReadLine(); line != null; line = reader.ReadLine())
                    lines.Append(line).Append('\n');
                return lines.ToString();
            default: throw new ArgumentException(operation);
        }
    }

    static void Main()
    {
        for (var line = Console.In.ReadLine(); line != null; line = Console.In.ReadLine())
        {
            var words = line.Split(' ');
            var answer = Do(words[0], Read(words[1]), words.Length > 2 ? Read(words[2]) : "");
            Console.Out.WriteLine(Convert.ToBase64String(Encoding.Unicode.GetBytes(answer)));
        }
    }
}
