#!/usr/bin/env python3
from agave_tf.commands.reproduce import main

main()
