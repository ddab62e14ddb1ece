#!/usr/bin/env python3
from agave_tf.commands.import_openai import main

main()
